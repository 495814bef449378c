#include "pkg/policy/selector_reader.h"

#include "pkg/kube/selector_rules.h"

#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::policy {
namespace {

constexpr std::size_t kRequirementsMax = 64;
constexpr std::size_t kValuesMax = 256;

enum class Operator { kIn, kNotIn, kExists, kDoesNotExist };
constexpr std::array<Word<Operator>, 4> kOperators = {{{"In", Operator::kIn},
                                                       {"NotIn", Operator::kNotIn},
                                                       {"Exists", Operator::kExists},
                                                       {"DoesNotExist", Operator::kDoesNotExist}}};

/// What a selector says, in the grammar of labels.Parse: names that were checked cannot say more.
struct SelectorText {
  std::string text;
  void add(std::string_view requirement) { text.append(text.empty() ? "" : ",") += requirement; }
};

struct Expression {
  std::string key;
  std::optional<Operator> op;
  std::vector<std::string> values;
  bool broken = false;  ///< and noted
};

/// A label's name; none where it is none, which is noted.
void check_key(FieldReader& reader, std::string_view key, std::string_view raw, bool& broken) {
  if (const auto problem = kube::label_key_problem(key)) {
    reader.note(raw, *problem);
    broken = true;
  }
}

void read_match_labels(FieldReader& reader, SelectorText& into) {
  std::vector<std::string> seen;
  reader.any_object(kRequirementsMax, [&](std::string_view name) {
    const std::string key(name);
    bool broken = false;
    check_key(reader, key, key, broken);
    if (std::ranges::find(seen, key) != seen.end()) {
      reader.note(key, "is given twice");
      broken = true;
    }
    seen.push_back(key);
    const auto value = reader.text();
    if (!value) return;
    if (const auto problem = kube::label_value_problem(value->value)) {
      reader.note(value->raw, *problem);
    } else if (!broken) {
      into.add(key + "=" + value->value);
    }
  });
}

void read_key(FieldReader& reader, Expression& into) {
  const auto key = reader.text();
  if (!key) {
    into.broken = true;
    return;
  }
  into.key = key->value;
  check_key(reader, key->value, key->raw, into.broken);
}

void read_values(FieldReader& reader, Expression& into) {
  reader.array(kValuesMax, [&] {
    const auto value = reader.text();
    if (!value) {
      into.broken = true;
    } else if (const auto problem = kube::label_value_problem(value->value)) {
      reader.note(value->raw, *problem);
      into.broken = true;
    } else {
      into.values.push_back(value->value);
    }
  });
}

constexpr std::array<Member<Expression>, 3> kExpression = {
    {{"key", read_key},
     {"operator",
      [](FieldReader& reader, Expression& into) {
        Operator op = Operator::kIn;
        into.broken = !reader.word(op, kOperators) || into.broken;
        into.op = op;
      }},
     {"values", read_values}}};

void add_expression(FieldReader& reader, const Expression& expression, SelectorText& into) {
  if (expression.broken) return;
  if (expression.key.empty()) return reader.note("", "key is required");
  if (!expression.op) return reader.note(expression.key, "operator is required");
  const bool set = *expression.op == Operator::kIn || *expression.op == Operator::kNotIn;
  if (set != !expression.values.empty()) {
    return reader.note(expression.key,
                       "values are required for In and NotIn, and forbidden for Exists and "
                       "DoesNotExist");
  }
  if (!set) return into.add((*expression.op == Operator::kExists ? "" : "!") + expression.key);
  std::string values;
  for (const std::string& value : expression.values) {
    values.append(values.empty() ? "(" : ",").append(value);
  }
  into.add(expression.key + (*expression.op == Operator::kIn ? " in " : " notin ") + values + ")");
}

void read_match_expressions(FieldReader& reader, SelectorText& into) {
  reader.array(kRequirementsMax, [&] {
    Expression expression;
    if (reader.null()) return;
    reader.object(kExpression, expression);
    add_expression(reader, expression, into);
  });
}

constexpr std::array<Member<SelectorText>, 2> kSelector = {
    {{"matchLabels", read_match_labels}, {"matchExpressions", read_match_expressions}}};

}  // namespace

void read_selector(FieldReader& reader, std::optional<kube::LabelSelector>& into) {
  if (reader.null()) return;
  SelectorText selector;
  reader.object(kSelector, selector);
  auto parsed = kube::LabelSelector::parse(selector.text);
  if (!parsed) return reader.note(selector.text, parsed.error().message);
  into = *std::move(parsed);
}

}  // namespace podkeeper::policy
