#include "pkg/simkube/load.h"

#include <zlib.h>

#include <limits>
#include <string_view>
#include <utility>

namespace podkeeper::simkube {
namespace {

base::Error bad_file(const std::string& path, const std::string& why) {
  return {base::ErrorCode::kDecode, path + ": " + why};
}

base::Result<std::string> inflate_all(const std::string& path, const std::string& packed) {
  z_stream stream{};
  constexpr int kGzip = 16 + MAX_WBITS;
  if (packed.size() > std::numeric_limits<uInt>::max() || inflateInit2(&stream, kGzip) != Z_OK) {
    return bad_file(path, "cannot be unpacked");
  }
  std::string copy = packed;  // zlib reads through a non-const pointer
  stream.next_in = reinterpret_cast<Bytef*>(copy.data());
  stream.avail_in = static_cast<uInt>(copy.size());
  std::string text;
  std::string chunk(1 << 20, '\0');
  int state = Z_OK;
  while (state == Z_OK && text.size() <= kLoadBytesMax) {
    stream.next_out = reinterpret_cast<Bytef*>(chunk.data());
    stream.avail_out = static_cast<uInt>(chunk.size());
    state = inflate(&stream, Z_NO_FLUSH);
    text.append(chunk, 0, chunk.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  if (text.size() > kLoadBytesMax) {
    return base::Error{base::ErrorCode::kTooLarge, path + ": unpacks to more than 1 GiB"};
  }
  if (state != Z_STREAM_END) return bad_file(path, "the gzip data is damaged or ends early");
  return text;
}

const kube::Resource* resource_of(std::string_view text) {
  const auto head = text.substr(0, 200);
  if (head.find("\"PodList\"") != std::string_view::npos) return &kube::pods();
  if (head.find("\"NodeList\"") != std::string_view::npos) return &kube::nodes();
  return nullptr;
}

}  // namespace

base::Result<LoadedList> load_list(base::Files& files, const std::string& path) {
  auto content = files.read(path, kLoadBytesMax);
  if (!content) return content.error();
  if (content->starts_with("\x1f\x8b")) {
    content = inflate_all(path, *content);
    if (!content) return content.error();
  }
  LoadedList loaded;
  loaded.resource = resource_of(*content);
  if (loaded.resource == nullptr) return bad_file(path, "is neither a PodList nor a NodeList");
  auto list = kube::decode_list(*loaded.resource, *content);
  if (!list) return bad_file(path, list.error().message);
  if (!list->quarantined.empty()) return bad_file(path, list->quarantined.front().why.message);
  loaded.list = std::move(*list);
  return loaded;
}

}  // namespace podkeeper::simkube
