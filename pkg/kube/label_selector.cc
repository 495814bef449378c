#include "pkg/base/result.h"
#include "pkg/kube/object.h"
#include "pkg/kube/selector.h"
#include "pkg/kube/selector_lexer.h"
#include "pkg/kube/selector_rules.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace podkeeper::kube {
namespace {

using Kind = LabelToken::Kind;
using Words = LabelLexer::Words;
using Operator = LabelSelector::Operator;
using Requirement = LabelSelector::Requirement;

base::Error invalid(std::string message) {
  return {.code = base::ErrorCode::kInvalidArgument, .message = std::move(message)};
}

base::Error found(const LabelToken& token, std::string_view expected) {
  return invalid("found '" + token.text + "', expected: " + std::string(expected));
}

std::optional<std::int64_t> parse_integer(std::string_view text) noexcept {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stopped != end) return std::nullopt;
  return value;
}

/// A recursive descent over the grammar of apimachinery's labels.Parse, saying what it says where
/// it refuses.
class LabelParser {
 public:
  explicit LabelParser(std::string_view text) : lexer_(text) {}

  base::Result<std::vector<Requirement>> parse() {
    std::vector<Requirement> all;
    while (true) {
      const LabelToken next = lexer_.peek();
      if (next.kind == Kind::kEnd) return all;
      if (next.kind != Kind::kIdentifier && next.kind != Kind::kNot) {
        return found(next, "!, identifier, or 'end of string'");
      }
      if (all.size() >= kSelectorTermsMax) {
        return invalid("label selector has more than " + std::to_string(kSelectorTermsMax) +
                       " requirements");
      }
      auto requirement = parse_requirement();
      if (!requirement.has_value()) {
        return invalid("unable to parse requirement: " + requirement.error().message);
      }
      all.push_back(*std::move(requirement));
      const LabelToken after = lexer_.take();
      if (after.kind == Kind::kEnd) return all;
      if (after.kind != Kind::kComma) return found(after, "',' or 'end of string'");
      const LabelToken following = lexer_.peek();
      if (following.kind != Kind::kIdentifier && following.kind != Kind::kNot) {
        return found(following, "identifier after ','");
      }
    }
  }

 private:
  base::Result<Requirement> parse_requirement() {
    Requirement requirement{.key = {}, .op = Operator::kExists, .values = {}};
    LabelToken token = lexer_.take();
    if (token.kind == Kind::kNot) {
      requirement.op = Operator::kNotExists;
      token = lexer_.take();
    }
    if (token.kind != Kind::kIdentifier) return found(token, "identifier");
    if (const auto problem = label_key_problem(token.text); problem.has_value()) {
      return invalid("<nil>: Invalid value: \"" + token.text + "\": " + *problem);
    }
    requirement.key = std::move(token.text);
    const Kind next = lexer_.peek().kind;
    if (requirement.op == Operator::kNotExists || next == Kind::kEnd || next == Kind::kComma) {
      return requirement;
    }
    return parse_values_of(std::move(requirement));
  }

  base::Result<Requirement> parse_values_of(Requirement requirement) {
    const LabelToken token = lexer_.take(Words::kMayBeOperators);
    base::Result<std::vector<std::string>> values;
    switch (token.kind) {
      case Kind::kIn:
      case Kind::kNotIn:
        requirement.op = token.kind == Kind::kIn ? Operator::kIn : Operator::kNotIn;
        values = parse_set();
        break;
      case Kind::kEqual:
      case Kind::kDoubleEqual:
        requirement.op = Operator::kIn;
        values = parse_value();
        break;
      case Kind::kNotEqual:
        requirement.op = Operator::kNotIn;
        values = parse_value();
        break;
      case Kind::kGreater:
      case Kind::kLess:
        requirement.op = token.kind == Kind::kGreater ? Operator::kGreater : Operator::kLess;
        values = parse_value();
        break;
      default:
        return found(token, "in, notin, =, ==, !=, gt, lt");
    }
    if (!values.has_value()) return values.error();
    requirement.values = *std::move(values);
    std::ranges::sort(requirement.values);
    const auto same = std::ranges::unique(requirement.values);
    requirement.values.erase(same.begin(), same.end());
    return check_values(std::move(requirement));
  }

  static base::Result<Requirement> check_values(Requirement requirement) {
    const bool number = requirement.op == Operator::kGreater || requirement.op == Operator::kLess;
    for (std::size_t i = 0; i < requirement.values.size(); ++i) {
      const std::string& value = requirement.values[i];
      const std::string index = "[" + std::to_string(i) + "]";
      if (number && !parse_integer(value).has_value()) {
        return invalid("values" + index + ": Invalid value: \"" + value +
                       "\": for 'Gt', 'Lt' operators, the value must be an integer");
      }
      if (const auto problem = label_value_problem(value); problem.has_value()) {
        return invalid("values" + index + "[" + requirement.key + "]: Invalid value: \"" + value +
                       "\": " + *problem);
      }
    }
    return requirement;
  }

  /// One value; nothing, before a comma or the end, is the empty one.
  base::Result<std::vector<std::string>> parse_value() {
    LabelToken token = lexer_.peek();
    if (token.kind == Kind::kEnd || token.kind == Kind::kComma) {
      return std::vector<std::string>(1);
    }
    static_cast<void>(lexer_.take());
    if (token.kind != Kind::kIdentifier) return found(token, "identifier");
    return std::vector<std::string>{std::move(token.text)};
  }

  /// "(a,b)"; nothing, beside a comma or between the parentheses, is the empty value.
  base::Result<std::vector<std::string>> parse_set() {
    const LabelToken open = lexer_.take();
    if (open.kind != Kind::kOpen) return invalid("found '" + open.text + "' expected: '('");
    std::vector<std::string> values;
    bool value_wanted = true;  // at the beginning and after a comma
    while (true) {
      LabelToken token = lexer_.take();
      switch (token.kind) {
        case Kind::kIdentifier:
          if (!value_wanted) return found(token, "',' or ')'");
          values.push_back(std::move(token.text));
          value_wanted = false;
          break;
        case Kind::kComma:
          if (value_wanted) values.emplace_back();
          value_wanted = true;
          break;
        case Kind::kClose:
          if (value_wanted) values.emplace_back();
          return values;
        default:
          return found(token, values.empty() ? "',', ')' or identifier"
                              : value_wanted ? "',', or identifier"
                                             : "',' or ')'");
      }
    }
  }

  LabelLexer lexer_;
};

bool holds(const Requirement& requirement, const std::string_view* value) noexcept {
  switch (requirement.op) {
    case Operator::kExists:
      return value != nullptr;
    case Operator::kNotExists:
      return value == nullptr;
    case Operator::kIn:
      return value != nullptr && std::ranges::binary_search(requirement.values, *value);
    case Operator::kNotIn:
      return value == nullptr || !std::ranges::binary_search(requirement.values, *value);
    case Operator::kGreater:
    case Operator::kLess: {
      const auto number = value == nullptr ? std::nullopt : parse_integer(*value);
      const auto bound = parse_integer(requirement.values.front());
      if (!number.has_value() || !bound.has_value()) return false;
      return requirement.op == Operator::kGreater ? *number > *bound : *number < *bound;
    }
  }
  return false;
}

}  // namespace

base::Result<LabelSelector> LabelSelector::parse(std::string_view text) {
  if (text.size() > kSelectorBytesMax) {
    return invalid("label selector of " + std::to_string(text.size()) + " bytes; the limit is " +
                   std::to_string(kSelectorBytesMax));
  }
  auto requirements = LabelParser(text).parse();
  if (!requirements.has_value()) return requirements.error();
  LabelSelector selector;
  selector.requirements_ = *std::move(requirements);
  return selector;
}

bool LabelSelector::matches(const Object::LabelSpan& labels) const noexcept {
  return std::ranges::all_of(requirements_, [&](const Requirement& requirement) {
    const std::string_view key = requirement.key;
    const auto at =
        std::ranges::lower_bound(labels, key, {}, &Object::LabelSpan::value_type::first);
    const bool there = at != labels.end() && at->first == key;
    return holds(requirement, there ? &at->second : nullptr);
  });
}

}  // namespace podkeeper::kube
