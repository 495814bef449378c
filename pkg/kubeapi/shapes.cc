#include "pkg/kubeapi/shapes.h"

#include "pkg/kubeapi/json_text.h"

#include <utility>

namespace podkeeper::kubeapi {
namespace {

constexpr std::string_view kPartialHead =
    R"({"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1",)";
constexpr std::string_view kTableHead =
    R"({"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":")";

std::string_view zero_value(const kube::Resource& resource) {
  if (resource == kube::pods()) return R"(,"spec":{"containers":null},"status":{})";
  if (resource == kube::nodes()) {
    return R"(,"spec":{},"status":{"daemonEndpoints":{"kubeletEndpoint":{"Port":0}},"nodeInfo":{"machineID":"","systemUUID":"","bootID":"","kernelVersion":"","osImage":"","containerRuntimeVersion":"","kubeletVersion":"","kubeProxyVersion":"","operatingSystem":"","architecture":""}})";
  }
  if (resource == kube::deployments()) {
    return R"(,"spec":{"selector":null,"template":{"metadata":{},"spec":{"containers":null}},"strategy":{}},"status":{})";
  }
  if (resource == kube::namespaces()) return R"(,"spec":{},"status":{})";
  return "";
}

std::string kind_head(std::string_view kind, const kube::Resource& resource) {
  return R"({"kind":")" + std::string(kind) + R"(","apiVersion":")" + resource.api_version() +
         R"(",)";
}

/// Bytes of the member `"metadata":{...}` with which every body begins.
std::size_t metadata_length(const kube::Object& object) {
  constexpr std::string_view kKey = R"("metadata":)";
  return kKey.size() + first_value(std::string_view(object.body).substr(kKey.size())).size();
}

void append_partial(Gather& into, const kube::Object& object,
                    std::optional<kube::Revision> revised) {
  into.add(kPartialHead);
  into.add_body(object, metadata_length(object), revised);
  into.add("}");
}

void append_row(Gather& into, const Rendering& rendering, const Words& words,
                const kube::Object& object, std::optional<kube::Revision> revised) {
  into.own(words.table.row_head(object, rendering.now));
  switch (rendering.include) {
    case IncludeObject::kNone:
      into.add("null");
      break;
    case IncludeObject::kMetadata:
      append_partial(into, object, revised);
      break;
    case IncludeObject::kObject:
      into.add(words.object_head);
      into.add_body(object, object.body.size(), revised);
      break;
  }
  into.add("}");
}

/// The object by itself, without a line end.
void append_shaped(Gather& into, const Rendering& rendering, const Words& words,
                   const kube::Object& object, std::optional<kube::Revision> revised,
                   bool with_columns) {
  switch (rendering.shape) {
    case Shape::kTable:
      into.add(kTableHead);
      into.own(to_string(revised.value_or(object.revision)));
      into.add(R"("},"columnDefinitions":)");
      into.add(with_columns ? words.table.columns() : std::string_view("null"));
      into.add(R"(,"rows":[)");
      append_row(into, rendering, words, object, revised);
      into.add("]}");
      break;
    case Shape::kPartialMetadata:
      append_partial(into, object, revised);
      break;
    case Shape::kObjects:
    case Shape::kAggregatedDiscovery:
      into.add(words.object_head);
      into.add_body(object, object.body.size(), revised);
      break;
  }
}

std::string_view frame_type(kube::EventType type) {
  switch (type) {
    case kube::EventType::kAdded:
      return R"({"type":"ADDED","object":)";
    case kube::EventType::kModified:
      return R"({"type":"MODIFIED","object":)";
    case kube::EventType::kDeleted:
      return R"({"type":"DELETED","object":)";
    case kube::EventType::kBookmark:
      return R"({"type":"BOOKMARK","object":)";
    case kube::EventType::kError:
      return R"({"type":"ERROR","object":)";
  }
  std::unreachable();
}

const std::string& object_frame(const Words& words, kube::EventType type) {
  switch (type) {
    case kube::EventType::kAdded:
      return words.added;
    case kube::EventType::kDeleted:
      return words.deleted;
    case kube::EventType::kModified:
    case kube::EventType::kBookmark:
    case kube::EventType::kError:
      return words.modified;
  }
  std::unreachable();
}

std::string metadata_rest(const ListMetadata& metadata) {
  std::string text = to_string(metadata.revision) + '"';
  if (!metadata.continue_token.empty()) text += R"(,"continue":")" + metadata.continue_token + '"';
  if (metadata.remaining_items)
    text += R"(,"remainingItemCount":)" + std::to_string(*metadata.remaining_items);
  return text;
}

}  // namespace

Words::Words(const kube::Resource& resource, std::vector<PrinterColumn> custom)
    : object_head(kind_head(resource.kind, resource)),
      list_head(kind_head(resource.kind + "List", resource) + R"("metadata":{"resourceVersion":")"),
      bookmark_head(std::string(frame_type(kube::EventType::kBookmark)) + object_head +
                    R"("metadata":{"resourceVersion":")"),
      zero_value(kubeapi::zero_value(resource)),
      table(resource, std::move(custom)),
      added(std::string(frame_type(kube::EventType::kAdded)) + object_head),
      modified(std::string(frame_type(kube::EventType::kModified)) + object_head),
      deleted(std::string(frame_type(kube::EventType::kDeleted)) + object_head) {}

void append_object(Gather& into, const Rendering& rendering, const Words& words,
                   const kube::Object& object) {
  append_shaped(into, rendering, words, object, std::nullopt, /*with_columns=*/true);
  into.add("\n");
}

void append_list(Gather& into, const Rendering& rendering, const Words& words,
                 const ListMetadata& metadata, std::vector<state::RecordRef> records) {
  const bool table = rendering.shape == Shape::kTable;
  const bool partial = rendering.shape == Shape::kPartialMetadata;
  if (table) {
    into.add(kTableHead);
  } else if (partial) {
    into.add(
        R"({"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":")");
  } else {
    into.add(words.list_head);
  }
  into.own(metadata_rest(metadata));
  if (table) {
    into.add(R"(},"columnDefinitions":)");
    into.add(words.table.columns());
    into.add(R"(,"rows":[)");
  } else {
    into.add(R"(},"items":[)");
  }
  if (!table && !partial) return into.end_with(std::move(records), "{", ",{", "]}\n");
  bool first = true;
  for (auto& record : records) {
    const auto& object = record->object();
    if (!std::exchange(first, false)) into.add(",");
    table ? append_row(into, rendering, words, object, std::nullopt)
          : append_partial(into, object, std::nullopt);
    into.keep(std::move(record));
  }
  into.add("]}\n");
}

void append_frame(Gather& into, const Rendering& rendering, const Words& words,
                  kube::EventType type, const kube::Object& object,
                  std::optional<kube::Revision> revised, bool first) {
  if (rendering.shape == Shape::kObjects) {
    into.add(object_frame(words, type));
    into.add_body(object, object.body.size(), revised);
  } else {
    into.add(frame_type(type));
    append_shaped(into, rendering, words, object, revised, first);
  }
  into.add("}\n");
}

void append_bookmark(Gather& into, Shape shape, const Words& words, kube::Revision revision,
                     bool initial_end) {
  if (shape == Shape::kObjects) {
    into.add(words.bookmark_head);
  } else {
    into.add(frame_type(kube::EventType::kBookmark));
    if (shape == Shape::kTable) {
      into.add(kTableHead);
    } else {
      into.add(kPartialHead);
      into.add(R"("metadata":{"resourceVersion":")");
    }
  }
  into.own(to_string(revision));
  into.add(initial_end ? R"(","annotations":{"k8s.io/initial-events-end":"true"}})" : R"("})");
  if (shape == Shape::kObjects) into.add(words.zero_value);
  if (shape == Shape::kTable) into.add(R"(,"columnDefinitions":null,"rows":[])");
  into.add("}}\n");
}

}  // namespace podkeeper::kubeapi
