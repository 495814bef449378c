#include "pkg/base/result.h"
#include "pkg/kube/decode.h"
#include "pkg/kube/json_cursor.h"
#include "pkg/kube/json_text.h"
#include "pkg/kube/object.h"
#include "pkg/kube/object_reader.h"
#include "pkg/kube/resource.h"
#include "pkg/kube/status_reader.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace podkeeper::kube {
namespace {

constexpr std::string_view kInitialEventsEnd = "k8s.io/initial-events-end";

std::optional<EventType> parse_event_type(std::string_view text) noexcept {
  for (const auto type : {EventType::kAdded, EventType::kModified, EventType::kDeleted,
                          EventType::kBookmark, EventType::kError}) {
    if (text == to_string(type)) return type;
  }
  return std::nullopt;
}

/// A bookmark's object has a revision and perhaps an annotation; the rest are Go's zero values.
void read_bookmark(JsonCursor& cursor, WatchEvent& event) {
  FirstOnly first;
  std::optional<Revision> revision;
  cursor.object("bookmark", [&](std::string_view key) {
    if (key != "metadata" || !first(0)) return cursor.skip();
    FirstOnly first_field;
    cursor.object("metadata", [&](std::string_view field) {
      if (field == "resourceVersion" && first_field(0)) {
        revision = parse_revision(cursor.string("metadata.resourceVersion"));
      } else if (field == "annotations" && first_field(1)) {
        cursor.object("metadata.annotations", [&](std::string_view annotation) {
          const bool ends = cursor.key_text(annotation) == kInitialEventsEnd;
          if (!ends) return cursor.skip();
          event.initial_events_end = cursor.string("annotation") == "true";
        });
      } else {
        cursor.skip();
      }
    });
  });
  if (!revision.has_value())
    cursor.fail("the bookmark's metadata.resourceVersion", "is no revision");
  event.revision = revision.value_or(Revision{});
}

void read_changed_object(JsonCursor& cursor, ObjectReader& reader, WatchEvent& event) {
  const JsonCursor start = cursor;
  event.object = reader.read(cursor, true);
  if (event.object != nullptr) {
    event.revision = event.object->revision;
    return;
  }
  const JsonCursor failed = cursor;
  event.quarantined = reader.quarantine(cursor, start);
  // Of whom nobody knows who it is, nothing can be said but that.
  if (event.quarantined.has_value() && event.quarantined->name.empty()) cursor = failed;
}

/// What stands for an object that cannot be read.
base::Result<std::unique_ptr<Object>> tombstone(const Resource& resource,
                                                const Quarantined& refused) {
  std::string json = R"({"metadata":{"name":)";
  append_json_string(json, refused.name);
  for (const auto& [key, value] :
       {std::pair("namespace", &refused.namespace_), std::pair("uid", &refused.uid),
        std::pair("resourceVersion", &refused.revision)}) {
    if (value->empty()) continue;
    json.append(",\"").append(key).append("\":");
    append_json_string(json, *value);
  }
  return decode_object(resource, json + "}}");
}

void read_event_object(JsonCursor& cursor, ObjectReader& reader, WatchEvent& event) {
  switch (event.type) {
    case EventType::kBookmark:
      return read_bookmark(cursor, event);
    case EventType::kError: {
      event.error = to_error(read_status(cursor));
      return;
    }
    case EventType::kAdded:
    case EventType::kModified:
    case EventType::kDeleted:
      read_changed_object(cursor, reader, event);
  }
}

base::Result<WatchEvent> read_event(const Resource& resource, std::string_view line,
                                    const DecodeOptions& options) {
  JsonReading reading(line);
  if (!reading.ok()) return reading.error();
  JsonCursor& cursor = reading.cursor();
  ObjectReader reader(resource, options);
  WatchEvent event;
  std::optional<EventType> type;
  std::optional<JsonCursor> later;  // an object that came before its type
  bool object_read = false;
  FirstOnly first;
  cursor.object("event", [&](std::string_view key) {
    if (key == "type" && first(0)) {
      const std::string_view text = cursor.string("type");
      type = parse_event_type(text);
      if (!type.has_value()) {
        return cursor.fail(
            "type", "is \"" + std::string(text.substr(0, 64)) + "\", which is no type of event");
      }
      event.type = *type;
    } else if (key == "object" && first(1)) {
      if (!type.has_value()) {
        later.emplace(cursor);
        return cursor.skip();
      }
      object_read = true;
      read_event_object(cursor, reader, event);
      cursor.keep_unescaped_in(reading.unescaped());
    } else {
      cursor.skip();
    }
  });
  cursor.finish();
  if (!cursor.failed() && !type.has_value()) cursor.fail("type", "is missing");
  if (cursor.failed()) return cursor.error();
  if (!object_read) {
    if (!later.has_value()) cursor.fail("object", "is missing");
    if (later.has_value()) read_event_object(*later, reader, event);
    const JsonCursor& last = later.has_value() ? *later : cursor;
    if (last.failed()) return last.error();
  }
  return event;
}

}  // namespace

base::Result<WatchEvent> decode_watch_event(const Resource& resource, std::string_view line,
                                            const DecodeOptions& options) {
  auto event = read_event(resource, line, options);
  if (!event.has_value()) {
    const auto repaired = repaired_utf8(line);
    if (!repaired.has_value()) return event;
    event = read_event(resource, *repaired, options);
    if (event.has_value()) event->repaired = true;
  }
  if (!event.has_value() || !event->quarantined.has_value()) return event;
  auto object = tombstone(resource, *event->quarantined);
  if (!object.has_value()) return event->quarantined->why;
  event->type = EventType::kDeleted;
  event->revision = (*object)->revision;
  event->object = *std::move(object);
  return event;
}

}  // namespace podkeeper::kube
