#pragma once

#include "pkg/base/result.h"
#include "pkg/kube/object.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace podkeeper::kube {

/// Limits of both kinds of selector: beyond them parsing is kInvalidArgument, before any work is
/// done.
inline constexpr std::size_t kSelectorBytesMax = 10 * 1024;
inline constexpr std::size_t kSelectorTermsMax = 1000;

/// A label selector, parsed by the grammar of apimachinery's labels.Parse. notin and != match where
/// the key is absent. Immutable once parsed; matches() is O(requirements * log labels).
class LabelSelector {
 public:
  enum class Operator { kIn, kNotIn, kExists, kNotExists, kGreater, kLess };
  struct Requirement {
    std::string key;
    Operator op;
    std::vector<std::string> values;  ///< sorted, each once
  };
  /// kInvalidArgument with apimachinery's wording as far as INDEX.md records it.
  static base::Result<LabelSelector> parse(std::string_view text);
  [[nodiscard]] bool matches(const Object::LabelSpan& labels) const noexcept;
  [[nodiscard]] bool empty() const noexcept { return requirements_.empty(); }
  [[nodiscard]] const std::vector<Requirement>& requirements() const noexcept {
    return requirements_;
  }

 private:
  std::vector<Requirement> requirements_;
};

/// A field selector: terms with =, == and !=, joined by commas; `\\`, `\,` and `\=` are escapes.
/// Immutable once parsed; matches() is O(terms), and O(body) for a term on one of the resource's
/// selectable_fields.
class FieldSelector {
 public:
  using FieldValue = std::string_view (*)(const Object&) noexcept;
  struct Term {
    std::string field;
    bool equal;
    std::string value;
    FieldValue value_of;  ///< reads the field from an object; null: `field` is a path in its body
  };
  /// kInvalidArgument "field label not supported: X" for what the resource does not offer, as
  /// upstream.
  static base::Result<FieldSelector> parse(const Resource& resource, std::string_view text);
  /// Demands in addition that `label` has just this value, which needs no escapes. PK_CHECKs that
  /// the resource offers the label.
  void require(const Resource& resource, std::string_view label, std::string value);
  [[nodiscard]] bool matches(const Object& object) const noexcept;
  [[nodiscard]] bool empty() const noexcept { return terms_.empty(); }
  [[nodiscard]] const std::vector<Term>& terms() const noexcept { return terms_; }
  /// The value that an equality term demands of `field`, for choosing an index; null where there is
  /// none.
  [[nodiscard]] const std::string* required(std::string_view field) const noexcept;

 private:
  std::vector<Term> terms_;
};

}  // namespace podkeeper::kube
