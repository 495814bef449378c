#pragma once

#include <cstddef>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "tests/fuzz/support/target.h"

namespace podkeeper::fuzz {

inline bool one_in(Dice& dice, std::uint64_t n) { return dice.below(n) == 0; }

std::string_view pick(Dice& dice, std::span<const std::string_view> words);
std::string_view pick(Dice& dice, std::initializer_list<std::string_view> words);

/// A length: mostly below 16, sometimes just below, at or just above one of `limits`.
std::size_t length(Dice& dice, std::span<const std::size_t> limits);

/// `size` characters out of `alphabet`.
std::string text(Dice& dice, std::size_t size, std::string_view alphabet);

inline constexpr std::string_view kNameCharacters = "abcdefghijklmnopqrstuvwxyz0123456789-._ABCXYZ";

/// A JSON value, as deep as `depth` at most, with keys and strings out of `words` now and then.
std::string json(Dice& dice, std::size_t depth, std::span<const std::string_view> words);

/// `base` with some of its values replaced, removed or doubled, or cut; still JSON, mostly.
std::string vary_json(Dice& dice, std::string_view base, std::span<const std::string_view> words);

/// Any bytes, changed in one of the ways that mutation by bytes alone does not find soon: a span
/// repeated up to a limit, a word put in, a span moved, the end cut off. At most `size_max` bytes.
std::string mutate(Dice& dice, std::string input, std::size_t size_max, const Target& target);

}  // namespace podkeeper::fuzz
