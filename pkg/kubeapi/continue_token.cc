#include "pkg/kubeapi/continue_token.h"

#include "pkg/kubeapi/json_text.h"

#include <nlohmann/json.hpp>

#include <utility>

namespace podkeeper::kubeapi {
namespace {

constexpr std::string_view kVersion = "meta.k8s.io/v1";

base::Error invalid(std::string why) {
  return {base::ErrorCode::kInvalidArgument,
          "invalid continue token: continue key is not valid: " + std::move(why)};
}

/// A byte as Go's JSON decoder quotes it in its errors.
std::string quoted_byte(unsigned char byte) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text = "'";
  if (byte == '\'' || byte == '\\') {
    text += '\\';
    text += static_cast<char>(byte);
  } else if (byte < 0x20 || byte == 0x7f) {
    text += "\\x";
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  } else if (byte < 0x7f) {
    text += static_cast<char>(byte);
  } else if (byte < 0xa1 || byte == 0xad) {
    text += "\\u00";
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  } else {
    text += static_cast<char>(0xc0 | (byte >> 6));
    text += static_cast<char>(0x80 | (byte & 0x3f));
  }
  return text + "'";
}

/// What Go's decoder says of text that is no JSON: exact for a bad first byte, which is what
/// garbage has.
std::string describe_bad_json(const std::string& bytes) {
  if (bytes.empty()) return "unexpected end of JSON input";
  if (bytes[0] == '{') return "unexpected end of JSON input";
  return "invalid character " + quoted_byte(static_cast<unsigned char>(bytes[0])) +
         " looking for beginning of value";
}

}  // namespace

std::string encode_continue(const ContinueToken& token) {
  std::string start = "/" + token.start_after;
  start += '\0';
  std::string json = R"({"v":")";
  json += kVersion;
  json += R"(","rv":)" + std::to_string(token.revision) + R"(,"start":)" + json_string(start) + "}";
  return base64url_encode(json);
}

base::Result<ContinueToken> decode_continue(std::string_view text) {
  if (text.size() > kContinueBytesMax)
    return invalid("the token is longer than any this server gives out");
  std::string bytes;
  std::size_t error_at = 0;
  if (!base64url_decode(text, bytes, error_at)) {
    return invalid("illegal base64 data at input byte " + std::to_string(error_at));
  }
  const auto json = nlohmann::json::parse(bytes, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return invalid(describe_bad_json(bytes));
  if (!json.is_object()) return invalid("the token is no JSON object");
  const auto version = json.find("v");
  if (version == json.end() || !version->is_string() || *version != kVersion) {
    const std::string given =
        version != json.end() && version->is_string() ? version->get<std::string>() : std::string();
    return invalid("server does not recognize this encoded version " + json_string(given));
  }
  ContinueToken token;
  const auto revision = json.find("rv");
  if (revision != json.end() && revision->is_number_integer())
    token.revision = revision->get<std::int64_t>();
  if (token.revision == 0)
    return invalid("incorrect encoded start resourceVersion (version meta.k8s.io/v1)");
  const auto start = json.find("start");
  if (start != json.end() && start->is_string()) token.start_after = start->get<std::string>();
  if (token.start_after.ends_with('\0')) token.start_after.pop_back();
  if (token.start_after.starts_with('/')) token.start_after.erase(0, 1);
  if (token.start_after.empty()) return invalid("encoded start key empty (version meta.k8s.io/v1)");
  return token;
}

}  // namespace podkeeper::kubeapi
