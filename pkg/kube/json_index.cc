#include "pkg/kube/json_index.h"

#include "pkg/base/result.h"

#include <simdjson.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

namespace podkeeper::kube {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::size_t kCapacityMin = 64 * 1024;

bool is_hex(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

struct Escapes {
  const char* wrong = nullptr;
  bool unicode = false;
};

Escapes check_escapes(std::string_view text) noexcept {
  Escapes found;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    at = static_cast<const char*>(std::memchr(at, '\\', static_cast<std::size_t>(end - at)));
    if (at == nullptr) return found;
    if (end - at < 2 || std::memchr("\"\\/bfnrtu", at[1], 9) == nullptr) {
      found.wrong = at;
      return found;
    }
    if (at[1] == 'u') {
      found.unicode = true;
      if (end - at < 6 || !std::all_of(at + 2, at + 6, is_hex)) {
        found.wrong = at;
        return found;
      }
    }
    at += 2;
  }
  return found;
}

Error decode_error(std::string message) {
  return Error{.code = ErrorCode::kDecode, .message = std::move(message)};
}

}  // namespace

struct JsonIndexer::State {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
  std::size_t capacity = 0;

  simdjson::error_code reserve(std::size_t bytes) {
    if (bytes <= capacity) return simdjson::SUCCESS;
    const std::size_t wanted = std::max({bytes, capacity * 2, kCapacityMin});
    capacity = 0;
    // The depth is checked by JsonCursor: the first stage knows none.
    const auto error =
        parser == nullptr ? simdjson::get_active_implementation()->create_dom_parser_implementation(
                                wanted, 1, parser)
                          : parser->set_capacity(wanted);
    if (error == simdjson::SUCCESS) capacity = wanted;
    return error;
  }
};

JsonIndexer::JsonIndexer() : state_(std::make_unique<State>()) {}
JsonIndexer::~JsonIndexer() = default;

void JsonIndexer::trim() noexcept {
  if (state_->capacity <= kKeepBytesMax) return;
  state_->parser.reset();
  state_->capacity = 0;
}

base::Result<JsonTokens> JsonIndexer::index(std::string_view text) {
  if (text.size() > kTextBytesMax) {
    return Error{.code = ErrorCode::kTooLarge,
                 .message = "JSON text of " + std::to_string(text.size()) +
                            " bytes; the limit is " + std::to_string(kTextBytesMax)};
  }
  if (text.empty()) return decode_error("JSON text is empty; want an object");
  if (const auto error = state_->reserve(text.size()); error != simdjson::SUCCESS) {
    return decode_error(std::string("JSON index: ") + simdjson::error_message(error));
  }
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  auto& parser = *state_->parser;
  if (const auto error = parser.stage1(bytes, text.size(), simdjson::stage1_mode::regular);
      error != simdjson::SUCCESS) {
    return decode_error(std::string("not JSON: ") + simdjson::error_message(error));
  }
  const Escapes escapes = check_escapes(text);
  if (escapes.wrong != nullptr) {
    return decode_error("not JSON: invalid escape at byte " +
                        std::to_string(escapes.wrong - text.data()));
  }
  std::uint32_t* const tokens = parser.structural_indexes.get();
  const std::size_t count = parser.n_structural_indexes;
  if (count < 2 || text[tokens[0]] != '{' || text[tokens[count - 1]] != '}') {
    return decode_error("not a JSON object: it begins with no '{' or ends with no '}'");
  }
  tokens[count] = tokens[0];
  tokens[count + 1] = tokens[0];
  return JsonTokens{
      .text = text, .begin = tokens, .end = tokens + count, .unicode_escapes = escapes.unicode};
}

}  // namespace podkeeper::kube
