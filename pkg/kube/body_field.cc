#include "pkg/kube/body_field.h"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace podkeeper::kube {
namespace {

using Json = nlohmann::json;

/// Follows one path through the text's events and keeps the scalar at its end; everything else is
/// passed over without being built.
class PathReader final : public nlohmann::json_sax<Json> {
 public:
  explicit PathReader(std::string_view path) {
    while (!path.empty()) {
      const auto dot = path.find('.');
      steps_.emplace_back(path.substr(0, dot));
      path = dot == std::string_view::npos ? std::string_view{} : path.substr(dot + 1);
    }
  }
  [[nodiscard]] std::string take() && { return std::move(found_); }

  bool null() override { return true; }
  bool boolean(bool value) override { return scalar(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override { return scalar(std::to_string(value)); }
  bool number_unsigned(number_unsigned_t value) override { return scalar(std::to_string(value)); }
  bool number_float(number_float_t /*value*/, const string_t& text) override {
    return scalar(text);
  }
  bool string(string_t& value) override { return scalar(std::move(value)); }
  bool binary(binary_t& /*value*/) override { return true; }
  bool start_object(std::size_t /*size*/) override { return open(); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t /*size*/) override {
    ++arrays_;
    return open();
  }
  bool end_array() override {
    --arrays_;
    return close();
  }
  bool key(string_t& name) override {
    // `depth_` counts the objects open, the outermost among them.
    if (matched_ >= depth_) matched_ = depth_ - 1;
    const bool on_path = arrays_ == 0 && matched_ + 1 == depth_ && depth_ <= steps_.size();
    if (on_path && name == steps_[depth_ - 1]) matched_ = depth_;
    return true;
  }
  bool parse_error(std::size_t /*at*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    return false;
  }

 private:
  bool scalar(std::string text) {
    if (arrays_ > 0 || matched_ != steps_.size() || depth_ != steps_.size()) return true;
    found_ = std::move(text);
    return false;  // the rest is of no interest
  }
  bool open() {
    ++depth_;
    return true;
  }
  bool close() {
    --depth_;
    if (matched_ > depth_) matched_ = depth_;
    return true;
  }

  std::vector<std::string> steps_;
  std::size_t depth_ = 0, matched_ = 0, arrays_ = 0;
  std::string found_;
};

}  // namespace

std::string field_text(std::string_view body, std::string_view path) noexcept {
  PathReader reader(path);
  // The body lacks the brace it began with.
  std::string text;
  text.reserve(body.size() + 1);
  text.append("{").append(body);
  (void)Json::sax_parse(text, &reader);
  return std::move(reader).take();
}

}  // namespace podkeeper::kube
