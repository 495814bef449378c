#include "tests/fuzz/support/grammar.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

namespace podkeeper::fuzz {
namespace {

constexpr std::size_t kCommonLimits[] = {16,   64,   100,  253,   1000,  1024,
                                         2048, 4096, 8192, 16384, 65536, 131072};
constexpr std::size_t kOftenUpTo = 4096;
constexpr std::string_view kScalars[] = {
    "null",  "true",          "0",  "-1", "1e400",       "\"\"",       "1.5",
    "\"a\"", "1099511627776", "{}", "[]", "\"\\ud800\"", "\"\\u0000\""};

using Json = nlohmann::ordered_json;

/// A place inside `json`, by a random walk down.
Json& descend(Dice& dice, Json& json) {
  Json* at = &json;
  while (at->is_structured() && !at->empty() && !one_in(dice, 5)) {
    at = &*std::next(at->begin(), static_cast<std::ptrdiff_t>(dice.below(at->size())));
  }
  return *at;
}

void change_one(Dice& dice, Json& json, std::span<const std::string_view> words) {
  Json& at = descend(dice, json);
  switch (dice.below(5)) {
    case 0:
      at = Json::parse(pick(dice, kScalars), nullptr, /*allow_exceptions=*/false);
      if (at.is_discarded()) at = nullptr;
      break;
    case 1:
      if (at.is_structured()) {
        if (at.is_object())
          at[std::string(pick(dice, words))] = descend(dice, json);
        else
          at.push_back(descend(dice, json));
      }
      break;
    case 2:
      if (at.is_structured() && !at.empty()) {
        at.erase(std::next(at.begin(), static_cast<std::ptrdiff_t>(dice.below(at.size()))));
      }
      break;
    case 3:
      at = std::string(pick(dice, words));
      break;
    default:
      at = text(dice, length(dice, {}), kNameCharacters);
  }
}

}  // namespace

std::vector<const Target*>& targets() {
  static std::vector<const Target*> all;
  return all;
}

std::string_view pick(Dice& dice, std::span<const std::string_view> words) {
  return words.empty() ? std::string_view("a") : words[dice.below(words.size())];
}
std::string_view pick(Dice& dice, std::initializer_list<std::string_view> words) {
  return pick(dice, std::span(words.begin(), words.size()));
}

std::size_t length(Dice& dice, std::span<const std::size_t> limits) {
  if (!one_in(dice, 24)) return dice.below(16);
  const std::span<const std::size_t> known =
      limits.empty() || one_in(dice, 4) ? std::span(kCommonLimits) : limits;
  std::size_t limit = 0;
  // An input of 64 KiB takes as long as sixteen of 4 KiB, so it comes a sixteenth as often.
  do limit = known[dice.below(known.size())];
  while (!one_in(dice, 1 + limit / kOftenUpTo));
  return limit + dice.below(5) - std::min<std::size_t>(2, limit);
}

std::string text(Dice& dice, std::size_t size, std::string_view alphabet) {
  std::string out(size, alphabet.front());
  // Beyond a few characters only the length matters.
  for (std::size_t i = 0; i < std::min<std::size_t>(size, 32); ++i) {
    out[i] = alphabet[dice.below(alphabet.size())];
  }
  return out;
}

std::string json(Dice& dice, std::size_t depth, std::span<const std::string_view> words) {
  if (depth == 0 || one_in(dice, 3)) {
    if (one_in(dice, 2)) return std::string(pick(dice, kScalars));
    return "\"" + std::string(pick(dice, words)) + "\"";
  }
  const bool object = one_in(dice, 2);
  std::string out(1, object ? '{' : '[');
  const std::uint64_t count = dice.below(4);
  for (std::uint64_t i = 0; i < count; ++i) {
    if (i > 0) out += ',';
    if (object) out += "\"" + std::string(pick(dice, words)) + "\":";
    out += json(dice, depth - 1, words);
  }
  return out + (object ? '}' : ']');
}

std::string vary_json(Dice& dice, std::string_view base, std::span<const std::string_view> words) {
  Json json = Json::parse(base, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return std::string(base);
  for (std::uint64_t i = 0; i <= dice.below(4); ++i) change_one(dice, json, words);
  std::string out = json.dump(-1, ' ', one_in(dice, 4), Json::error_handler_t::replace);
  if (one_in(dice, 16)) {  // deeper than anybody may nest
    const std::size_t deep = 400 + dice.below(800);
    const std::size_t colon = out.find(':');
    if (colon != std::string::npos) {
      const bool object = one_in(dice, 2);
      std::string nest;
      for (std::size_t i = 0; i < deep; ++i) nest += object ? "{\"a\":" : "[";
      nest += "0" + std::string(deep, object ? '}' : ']');
      out.insert(colon + 1, nest + ",\"z\":");
    }
  }
  if (one_in(dice, 16)) out.resize(dice.below(out.size() + 1));
  return out;
}

std::string mutate(Dice& dice, std::string input, std::size_t size_max, const Target& target) {
  const std::size_t begin = dice.below(input.size() + 1);
  const std::size_t span = std::min<std::size_t>(1 + dice.below(16), input.size() - begin);
  switch (dice.below(5)) {
    case 0: {
      std::string unit =
          span == 0 ? std::string(pick(dice, target.words)) : input.substr(begin, span);
      if (unit.empty()) unit = "a";
      const std::size_t limit = length(dice, target.limits);
      const std::size_t wanted = one_in(dice, 2) ? limit : limit / unit.size();
      std::string run;
      if (one_in(dice, 2)) {
        while (run.size() < wanted && run.size() < size_max) run += unit;
      } else {
        run.assign(std::min(wanted, size_max), unit.front());
      }
      input.insert(begin, run);
      break;
    }
    case 1:
    case 2:
      input.insert(begin, pick(dice, target.words));
      break;
    case 3: {
      const std::string moved = input.substr(begin, span);
      input.erase(begin, span);
      input.insert(dice.below(input.size() + 1), moved);
      break;
    }
    default:
      if (one_in(dice, 2)) {
        input.resize(begin);
      } else {
        input.replace(begin, span, pick(dice, target.words));
      }
  }
  if (input.size() > size_max) input.resize(size_max);
  return input;
}

}  // namespace podkeeper::fuzz
