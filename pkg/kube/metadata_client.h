#pragma once

#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/http/client.h"
#include "pkg/kube/object.h"
#include "pkg/kube/resource.h"
#include "pkg/kube/revision_probe.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::kube {

/// The objects' metadata alone (PartialObjectMetadata): key, uid, revision and labels, at a small
/// part of what the objects themselves cost upstream and on the way. For one resource in all
/// namespaces. Errors begin with what was asked; those of missing rights name the rule. Any task
/// may call it; the world and the client outlives it.
class MetadataClient final : public RevisionProbe {
 public:
  static constexpr std::int64_t kPageItems = 500;
  static constexpr std::size_t kPageBytesMax = 64 << 20;

  MetadataClient(http::Client& client, Resource resource);

  /// A page of at most kPageItems of the newest state, by a quorum read; `continue_token` is empty
  /// for the first. kExpired: the list has to begin again.
  base::Task<base::Result<DecodedList>> page(std::string continue_token,
                                             base::MonotonicTime deadline);
  /// By a LIST of one object, whose answer tells the revision of the whole.
  base::Task<base::Result<Revision>> newest(base::MonotonicTime deadline) override;
  /// By a watch from `held` that is so short that its bookmark comes soon: kube-apiserver sends one
  /// two seconds before a watch's time is over (cacher.go, nextBookmarkTime).
  base::Task<base::Result<std::optional<Revision>>> quiet_since(
      Revision held, base::MonotonicTime deadline) override;

 private:
  base::Task<base::Result<DecodedList>> list(std::string query, base::MonotonicTime deadline);
  base::Task<base::Result<http::ClientResponse>> send(std::string verb, std::string query,
                                                      std::string accept,
                                                      base::MonotonicTime deadline);
  [[nodiscard]] base::Error explain(std::string_view verb, base::Error error) const;
  /// The first line's word: a bookmark's revision; none for a change or an error.
  [[nodiscard]] base::Result<std::optional<Revision>> read_first(std::string_view line) const;

  http::Client& client_;
  const Resource resource_;
  const Resource metadata_;  ///< as what the items are decoded: nothing but their metadata
};

}  // namespace podkeeper::kube
