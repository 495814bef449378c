#pragma once

#include "pkg/base/clock.h"
#include "pkg/kube/object.h"
#include "pkg/kube/resource.h"
#include "pkg/kubeapi/gather.h"
#include "pkg/kubeapi/list_options.h"
#include "pkg/kubeapi/negotiate.h"
#include "pkg/kubeapi/table.h"
#include "pkg/state/record.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::kubeapi {

/// What stands around a resource's bodies, built once at start and never changed: answers hold
/// views into it.
struct Words {
  explicit Words(const kube::Resource& resource, std::vector<PrinterColumn> columns = {});
  std::string object_head;  ///< {"kind":"Pod","apiVersion":"v1",
  std::string list_head;    ///< {"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"
  std::string bookmark_head;  ///< up to the revision
  std::string_view
      zero_value;  ///< what Go prints of an empty object: ,"spec":{"containers":null},"status":{}
  TableView table;
  std::string added, modified,
      deleted;  ///< {"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1",
};

/// How one answer shows objects.
struct Rendering {
  Shape shape = Shape::kObjects;
  IncludeObject include = IncludeObject::kMetadata;  ///< of a Table's rows
  base::WallTime now{};                              ///< for a Table's ages
};

/// metadata of a list.
struct ListMetadata {
  kube::Revision revision;
  std::string continue_token;  ///< empty: the last page
  std::optional<std::int64_t> remaining_items;
};

/// A single object, with a line end: the answer to GET.
void append_object(Gather& into, const Rendering& rendering, const Words& words,
                   const kube::Object& object);

/// A list in key order; keeps the records.
void append_list(Gather& into, const Rendering& rendering, const Words& words,
                 const ListMetadata& metadata, std::vector<state::RecordRef> records);

/// One watch frame. With `revised`, the object as if it had that revision: what left a selector is
/// told with its old content and the new revision. `first` frames of a Table carry its columns.
void append_frame(Gather& into, const Rendering& rendering, const Words& words,
                  kube::EventType type, const kube::Object& object,
                  std::optional<kube::Revision> revised, bool first);

/// A bookmark; `initial_end` marks the end of the initial events.
void append_bookmark(Gather& into, Shape shape, const Words& words, kube::Revision revision,
                     bool initial_end);

}  // namespace podkeeper::kubeapi
