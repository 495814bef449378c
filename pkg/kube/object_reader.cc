#include "pkg/kube/object_reader.h"

#include "pkg/base/result.h"
#include "pkg/kube/json_cursor.h"
#include "pkg/kube/node_reader.h"
#include "pkg/kube/object.h"
#include "pkg/kube/resource.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace podkeeper::kube {
namespace {

/// Calls f for every view that an object keeps.
template <class F>
void for_each_view(Object& object, const F& f) {
  f(object.uid);
  for (auto& [key, value] : object.labels) {
    f(key);
    f(value);
  }
  if (auto* const pod = std::get_if<PodFields>(&object.fields); pod != nullptr) {
    for (auto* view :
         {&pod->node_name, &pod->phase, &pod->pod_ip, &pod->status_reason, &pod->restart_policy,
          &pod->scheduler_name, &pod->service_account, &pod->nominated_node}) {
      f(*view);
    }
  } else if (auto* const node = std::get_if<NodeFields>(&object.fields); node != nullptr) {
    for (auto* view : {&node->ready, &node->internal_ip, &node->external_ip, &node->kubelet_version,
                       &node->os_image, &node->kernel_version, &node->runtime_version}) {
      f(*view);
    }
  }
}

bool within(const char* at, const char* begin, const char* end) noexcept {
  return std::greater_equal<>{}(at, begin) && std::less<>{}(at, end);
}

}  // namespace

void MemberCuts::begin(const char* key) {
  member_ = key;
  if (first_ == nullptr) first_ = key;
  if (open_ != nullptr) cuts_.push_back({open_, key});
  open_ = nullptr;
}

void MemberCuts::end(const char* end, bool cut) {
  if (cut) {
    open_ = member_;
    cut_end_ = end;
  } else {
    kept_end_ = end;
  }
}

void MemberCuts::finish() {
  if (open_ == nullptr) return;
  const char* const begin = kept_end_ == nullptr ? first_ : kept_end_;
  while (!cuts_.empty() && cuts_.back().begin >= begin) cuts_.pop_back();
  cuts_.push_back({begin, cut_end_});
}

ObjectReader::ObjectReader(const Resource& resource, const DecodeOptions& options)
    : resource_(resource),
      options_(options),
      fields_(resource == pods()    ? Fields::kPod
              : resource == nodes() ? Fields::kNode
                                    : Fields::kNone) {}

std::unique_ptr<Object> ObjectReader::read(JsonCursor& cursor, bool needs_revision) {
  auto object = std::make_unique<Object>();
  cursor.keep_unescaped_in(object->unescaped);
  cuts_.clear();
  labels_.clear();
  pod_.start();
  namespace_ = name_ = uid_ = revision_ = metadata_ = {};
  read_into(*object, cursor, needs_revision);
  if (!cursor.failed()) return object;
  refused_ = refused(cursor);
  return nullptr;
}

void ObjectReader::read_into(Object& object, JsonCursor& cursor, bool needs_revision) {
  if (fields_ == Fields::kPod) object.fields.emplace<PodFields>();
  if (fields_ == Fields::kNode) object.fields.emplace<NodeFields>();

  const char* const begin = cursor.position();
  read_members(cursor, object);
  if (cursor.failed()) return;
  set_key(cursor, object);
  if (needs_revision && revision_.empty()) {
    cursor.fail("metadata.resourceVersion", "is missing");
  }
  if (!revision_.empty() && !within(revision_.data(), begin, cursor.container_end())) {
    cursor.fail("metadata.resourceVersion", "is spelt with escapes");
  }
  const char* const end = cursor.container_end();
  if (const auto size = static_cast<std::size_t>(end - begin); size > kObjectBytesMax) {
    cursor.fail(base::Error{.code = base::ErrorCode::kTooLarge,
                            .message = "object " + object.key_text + " of " + std::to_string(size) +
                                       " bytes; the limit is " + std::to_string(kObjectBytesMax)});
  }
  if (cursor.failed()) return;
  if (auto* const pod = std::get_if<PodFields>(&object.fields); pod != nullptr) {
    pod_.finish(*pod, object.deleted != 0);
  }
  object.labels = sorted_labels();
  take_body(object, begin, end);
}

Quarantined ObjectReader::refused(const JsonCursor& cursor) const {
  Quarantined refused{.why = cursor.error()};
  const bool named = !name_.empty() && namespace_.empty() != resource_.namespaced;
  if (!named || !parse_revision(revision_)) return refused;
  refused.namespace_ = namespace_;
  refused.name = name_;
  refused.uid = uid_;
  refused.revision = revision_;
  return refused;
}

std::optional<Quarantined> ObjectReader::quarantine(JsonCursor& cursor, const JsonCursor& start) {
  cursor = start;
  cursor.skip();
  if (cursor.too_deep()) {
    cursor = start;
    cursor.pass_over();
  }
  if (cursor.failed()) return std::nullopt;
  return std::move(refused_);
}

void ObjectReader::read_members(JsonCursor& cursor, Object& object) {
  auto* const pod = std::get_if<PodFields>(&object.fields);
  auto* const node = std::get_if<NodeFields>(&object.fields);
  MemberCuts members(cuts_);
  FirstOnly first;
  cursor.object("object", [&](std::string_view key) {
    members.begin(cursor.member_begin());
    bool cut = false;
    if (key == "metadata" && first(0)) {
      const char* const member = cursor.member_begin();
      read_metadata(cursor, object);
      if (!cursor.failed()) metadata_ = {member, cursor.value_end()};
    } else if (key == "kind") {
      cut = true;
      const std::string_view kind = cursor.string("kind");
      if (!cursor.failed() && first(1) && !kind.empty() && !resource_.kind.empty() &&
          kind != resource_.kind) {
        cursor.fail("kind", "is " + std::string(kind) + ", want " + resource_.kind);
      }
    } else if (key == "apiVersion") {
      cut = true;
      cursor.skip();
    } else if (key == "spec" && (pod != nullptr || node != nullptr) && first(2)) {
      if (pod != nullptr) pod_.read_spec(cursor, *pod);
      if (node != nullptr) read_node_spec(cursor, *node);
    } else if (key == "status" && (pod != nullptr || node != nullptr) && first(3)) {
      if (pod != nullptr) pod_.read_status(cursor, *pod);
      if (node != nullptr) read_node_status(cursor, *node);
    } else {
      cursor.skip();
    }
    if (!cursor.failed()) members.end(cursor.value_end(), cut);
  });
  members.finish();
}

void ObjectReader::read_metadata(JsonCursor& cursor, Object& object) {
  MemberCuts members(cuts_);
  FirstOnly first;
  cursor.object("metadata", [&](std::string_view key) {
    members.begin(cursor.member_begin());
    bool cut = false;
    if (key == "name" && first(0)) {
      name_ = cursor.string("metadata.name");
    } else if (key == "namespace" && first(1)) {
      namespace_ = cursor.string("metadata.namespace");
    } else if (key == "uid" && first(2)) {
      object.uid = uid_ = cursor.string("metadata.uid");
    } else if (key == "resourceVersion" && first(3)) {
      revision_ = cursor.string("metadata.resourceVersion");
      const auto revision = parse_revision(revision_);
      if (!revision_.empty() && !revision.has_value()) {
        cursor.fail("metadata.resourceVersion",
                    "is \"" + std::string(revision_.substr(0, 64)) + "\", which is no revision");
      }
      object.revision = revision.value_or(Revision{});
    } else if (key == "creationTimestamp" && first(4)) {
      object.created = read_time(cursor, "metadata.creationTimestamp");
    } else if (key == "deletionTimestamp" && first(5)) {
      object.deleted = read_time(cursor, "metadata.deletionTimestamp");
    } else if (key == "labels" && first(6)) {
      read_labels(cursor);
    } else {
      cut = options_.drop_managed_fields && key == "managedFields";
      cursor.skip();
    }
    if (!cursor.failed()) members.end(cursor.value_end(), cut);
  });
  members.finish();
}

void ObjectReader::read_labels(JsonCursor& cursor) {
  cursor.object("metadata.labels", [&](std::string_view key) {
    const std::string_view name = cursor.key_text(key);
    labels_.emplace_back(name, cursor.string("a label"));
  });
}

Object::LabelSpan ObjectReader::sorted_labels() const {
  const auto not_ascending = [](const auto& a, const auto& b) { return !(a.first < b.first); };
  if (std::ranges::adjacent_find(labels_, not_ascending) == labels_.end()) {
    return {labels_.begin(), labels_.end()};  // exactly as large as needed, unlike the scratch list
  }
  std::map<std::string_view, std::string_view> sorted;
  for (const auto& [key, value] : labels_) sorted.emplace(key, value);
  return {sorted.begin(), sorted.end()};
}

void ObjectReader::set_key(JsonCursor& cursor, Object& object) {
  if (name_.empty()) return cursor.fail("metadata.name", "is missing");
  if (namespace_.empty() && resource_.namespaced) {
    return cursor.fail("metadata.namespace", "is missing");
  }
  if (!namespace_.empty() && !resource_.namespaced) {
    return cursor.fail("metadata.namespace", "is set on what is cluster-scoped");
  }
  if (namespace_.find('/') != std::string_view::npos || name_.find('/') != std::string_view::npos) {
    return cursor.fail("metadata.name or namespace", "has a '/'");
  }
  const std::size_t separator = namespace_.empty() ? 0 : 1;
  object.key_text.reserve(namespace_.size() + separator + name_.size());
  object.key_text.append(namespace_).append(separator, '/').append(name_);
  object.namespace_length = namespace_.size();
}

void ObjectReader::take_body(Object& object, const char* begin, const char* end) {
  // Without the brace, and what stands between it and the first member.
  const char* first = begin + 1;
  while (*first != '"') ++first;
  std::size_t size = static_cast<std::size_t>(end - first);
  for (const Cut& cut : cuts_) size -= static_cast<std::size_t>(cut.end - cut.begin);
  object.body.resize_and_overwrite(size, [&](char* into, std::size_t) {
    const char* from = first;
    const auto copy_to = [&](const char* stop) {
      const auto bytes = static_cast<std::size_t>(stop - from);
      std::memcpy(into, from, bytes);
      into += bytes;
    };
    for (const Cut& cut : cuts_) {
      copy_to(cut.begin);
      from = cut.end;
    }
    copy_to(end);
    return size;
  });
  ahead_ = kept_offset(first, metadata_.data());
  metadata_bytes_ = kept_offset(first, metadata_.data() + metadata_.size()) - ahead_;
  // Custom resources are sent with their members in alphabetical order.
  if (ahead_ != 0) put_metadata_first(object.body);
  rebase_views(object, first, end);
}

void ObjectReader::put_metadata_first(std::string& body) const {
  const auto begin = body.begin();
  const auto metadata = begin + static_cast<std::ptrdiff_t>(ahead_);
  const auto behind = metadata + static_cast<std::ptrdiff_t>(metadata_bytes_);
  // a,METADATA -> ,aMETADATA -> METADATA,a
  const auto comma = begin + static_cast<std::ptrdiff_t>(body.rfind(',', ahead_ - 1));
  std::rotate(begin, comma, comma + 1);
  std::rotate(begin, metadata, behind);
}

std::size_t ObjectReader::kept_offset(const char* begin, const char* at) const {
  auto bytes = at - begin;
  for (const Cut& cut : cuts_) {
    if (cut.end <= at) bytes -= cut.end - cut.begin;
  }
  return static_cast<std::size_t>(bytes);
}

std::size_t ObjectReader::body_offset(const char* begin, const char* at) const {
  const std::size_t offset = kept_offset(begin, at);
  if (ahead_ == 0 || offset >= ahead_ + metadata_bytes_) return offset;
  return offset >= ahead_ ? offset - ahead_ : offset + metadata_bytes_ + 1;
}

void ObjectReader::rebase_views(Object& object, const char* begin, const char* end) {
  for_each_view(object, [&](std::string_view& view) {
    if (view.empty()) {
      view = {};
    } else if (within(view.data(), begin, end)) {
      view = {object.body.data() + body_offset(begin, view.data()), view.size()};
    }
  });
  if (!revision_.empty()) {
    object.revision_offset = body_offset(begin, revision_.data());
    object.revision_length = revision_.size();
  }
}

}  // namespace podkeeper::kube
