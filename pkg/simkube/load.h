#pragma once

#include "pkg/base/files.h"
#include "pkg/base/result.h"
#include "pkg/kube/object.h"

#include <string>

namespace podkeeper::simkube {

/// A recorded List, for --load.
struct LoadedList {
  const kube::Resource* resource = nullptr;
  kube::DecodedList list;
};

/// Reads a PodList or NodeList, gzip'd or plain; the objects keep their bytes. kIo or kNotFound
/// with the path, kDecode for what is no such list, kTooLarge beyond kLoadBytesMax. Blocks: at
/// start only.
base::Result<LoadedList> load_list(base::Files& files, const std::string& path);
inline constexpr std::size_t kLoadBytesMax = std::size_t{1} << 30;

}  // namespace podkeeper::simkube
