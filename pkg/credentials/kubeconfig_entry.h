#pragma once

#include "pkg/base/result.h"
#include "pkg/credentials/cluster_access.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace YAML {
class Node;
}

namespace podkeeper::credentials {

/// The first thing that is wrong while a kubeconfig is read; what comes after it is not looked at.
class FirstFault {
 public:
  void set(base::Error error) {
    if (!error_) error_ = std::move(error);
  }
  [[nodiscard]] const std::optional<base::Error>& error() const noexcept { return error_; }

 private:
  std::optional<base::Error> error_;
};

/// One mapping of a kubeconfig ('user "admin"'), read key by key. A key that is missing, or null,
/// is empty; a value of another kind, or with control characters, is a fault that names its place.
class Entry {
 public:
  Entry(const YAML::Node& node, std::string file, std::string name, FirstFault& fault);

  [[nodiscard]] bool has(const char* key) const;
  [[nodiscard]] std::string text(const char* key) const;
  [[nodiscard]] bool flag(const char* key) const;
  /// The decoded bytes of a base64 value.
  [[nodiscard]] std::string base64(const char* key) const;
  /// A path, relative to the folder of the file.
  [[nodiscard]] std::string path(const char* key) const;
  /// KEY-data or the file of KEY; both are a fault.
  [[nodiscard]] Material material(const char* key) const;
  [[nodiscard]] std::vector<std::string> texts(const char* key) const;
  [[nodiscard]] Entry child(const char* key) const;
  [[nodiscard]] std::vector<Entry> children(const char* key) const;
  /// A value as JSON; empty: there is none.
  [[nodiscard]] std::string json(const char* key) const;

  void fail(const char* key, std::string_view why) const;
  [[nodiscard]] const std::string& file() const noexcept { return file_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] Entry named(std::string name) const;
  /// A path that is written in this file.
  [[nodiscard]] std::string beside(const std::string& path) const;

 private:
  [[nodiscard]] YAML::Node value(const char* key) const;

  std::shared_ptr<const YAML::Node> node_;
  std::string file_;
  std::string name_;
  FirstFault* fault_;
};

}  // namespace podkeeper::credentials
