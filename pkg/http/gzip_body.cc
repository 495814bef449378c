#include "pkg/http/gzip_body.h"

#include "pkg/base/panic.h"

#include <algorithm>
#include <limits>
#include <new>
#include <string_view>
#include <utility>

namespace podkeeper::http {
namespace {

constexpr int kGzipWindow = 16 + MAX_WBITS;  ///< with gzip's header and checksum, as zlib has it
static_assert(GzipBody::kPieceBytesMax <= std::numeric_limits<uInt>::max());

base::Error damaged(std::string_view why) {
  return base::Error{base::ErrorCode::kProtocol,
                     "the gzip encoding of an answer's body is damaged: " + std::string(why)};
}

}  // namespace

GzipBody::GzipBody(std::unique_ptr<ClientResponse::Body> packed) : packed_(std::move(packed)) {
  if (inflateInit2(&inflater_, kGzipWindow) != Z_OK) throw std::bad_alloc();
}

GzipBody::~GzipBody() { inflateEnd(&inflater_); }

base::Result<void> GzipBody::unpack(std::string& into) {
  const std::size_t before = into.size();
  const std::size_t left = input_.size() - used_;
  if (left == 0 && !full_) return {};
  inflater_.avail_in =
      static_cast<uInt>(std::min<std::size_t>(left, std::numeric_limits<uInt>::max()));
  const uInt offered = inflater_.avail_in;
  inflater_.next_in = reinterpret_cast<Bytef*>(input_.data() + used_);
  int state = Z_OK;
  into.resize_and_overwrite(before + kPieceBytesMax, [&](char* text, std::size_t size) {
    inflater_.next_out = reinterpret_cast<Bytef*>(text + before);
    inflater_.avail_out = static_cast<uInt>(size - before);
    state = inflate(&inflater_, Z_NO_FLUSH);
    return size - inflater_.avail_out;
  });
  used_ += offered - inflater_.avail_in;
  between_ = state == Z_STREAM_END;
  full_ = state == Z_OK && inflater_.avail_out == 0;
  if (between_) {
    PK_CHECK(inflateReset(&inflater_) == Z_OK, "zlib did not start again");
  } else if (state != Z_OK && state != Z_BUF_ERROR) {
    return damaged(inflater_.msg != nullptr ? inflater_.msg : "zlib refuses it");
  }
  return {};
}

base::Task<base::Result<bool>> GzipBody::read_some(std::string& into) {
  const std::size_t before = into.size();
  while (true) {
    auto unpacked = unpack(into);
    if (!unpacked) co_return std::move(unpacked).error();
    if (into.size() > before) co_return true;
    if (used_ < input_.size()) continue;
    if (input_ended_) {
      if (!between_) co_return damaged("it ends early");
      co_return false;
    }
    input_.clear();
    used_ = 0;
    auto reading = packed_->read_some(input_);
    auto more = co_await std::move(reading);
    if (!more) co_return std::move(more).error();
    input_ended_ = !*more;
  }
}

base::Result<void> undo_content_encoding(ClientResponse& response, bool gzip_asked_for) {
  const auto encoding = response.headers.get("Content-Encoding");
  if (!encoding || equal_ignoring_case(*encoding, "identity")) return {};
  const bool known = equal_ignoring_case(*encoding, "gzip") && gzip_asked_for &&
                     response.headers.count("Content-Encoding") == 1;
  if (!known) {
    return base::Error{base::ErrorCode::kProtocol,
                       "its body is encoded as \"" + std::string(encoding->substr(0, 32)) +
                           "\", but asked for was " +
                           (gzip_asked_for ? "gzip or no encoding" : "no encoding")};
  }
  response.body = std::make_unique<GzipBody>(std::move(response.body));
  return {};
}

}  // namespace podkeeper::http
