#include "pkg/kube/decode.h"

#include "pkg/base/panic.h"
#include "pkg/base/result.h"
#include "pkg/kube/json_cursor.h"
#include "pkg/kube/json_index.h"
#include "pkg/kube/json_text.h"
#include "pkg/kube/object.h"
#include "pkg/kube/object_reader.h"
#include "pkg/kube/resource.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace podkeeper::kube {
namespace {

struct ThreadIndexer {
  JsonIndexer indexer;
  bool in_use = false;
};

ThreadIndexer& thread_indexer() {
  thread_local ThreadIndexer indexer;
  return indexer;
}

base::Result<JsonTokens> index_on_this_thread(std::string_view text) {
  ThreadIndexer& own = thread_indexer();
  PK_CHECK(!own.in_use, "a JSON text is read while another one is");
  auto tokens = own.indexer.index(text);
  own.in_use = true;
  return tokens;
}

}  // namespace

JsonReading::JsonReading(std::string_view text)
    : tokens_(index_on_this_thread(text)),
      cursor_(tokens_.has_value() ? *tokens_ : JsonTokens{}, unescaped_) {}

JsonReading::~JsonReading() {
  ThreadIndexer& own = thread_indexer();
  own.in_use = false;
  own.indexer.trim();
}

base::Result<std::unique_ptr<Object>> decode_object(const Resource& resource, std::string_view json,
                                                    const DecodeOptions& options) {
  JsonReading reading(json);
  if (!reading.ok()) return reading.error();
  ObjectReader reader(resource, options);
  auto object = reader.read(reading.cursor(), false);
  reading.cursor().finish();
  if (reading.cursor().failed()) return reading.cursor().error();
  return object;
}

namespace {

void read_list_metadata(JsonCursor& cursor, DecodedList& list) {
  FirstOnly first;
  cursor.object("metadata", [&](std::string_view key) {
    if (key == "resourceVersion" && first(0)) {
      const auto revision = parse_revision(cursor.string("metadata.resourceVersion"));
      if (!revision.has_value()) cursor.fail("metadata.resourceVersion", "is no revision");
      list.revision = revision.value_or(Revision{});
    } else if (key == "continue" && first(1)) {
      list.continue_token = cursor.string("metadata.continue");
    } else if (key == "remainingItemCount" && first(2)) {
      list.remaining_items = cursor.integer("metadata.remainingItemCount");
    } else {
      cursor.skip();
    }
  });
}

base::Result<DecodedList> read_list(const Resource& resource, std::string_view json,
                                    const DecodeOptions& options) {
  JsonReading reading(json);
  if (!reading.ok()) return reading.error();
  JsonCursor& cursor = reading.cursor();
  DecodedList list;
  ObjectReader reader(resource, options);
  bool has_items = false;
  FirstOnly first;
  cursor.object("list", [&](std::string_view key) {
    if (key == "kind" && first(0)) {
      const std::string_view kind = cursor.string("kind");
      if (!resource.kind.empty() && kind != resource.kind + "List") {
        cursor.fail("kind", "is " + std::string(kind) + ", want " + resource.kind + "List");
      }
    } else if (key == "metadata" && first(1)) {
      read_list_metadata(cursor, list);
    } else if (key == "items" && first(2)) {
      has_items = true;
      cursor.array("items", [&] {
        const JsonCursor start = cursor;
        if (auto object = reader.read(cursor, true)) {
          list.items.push_back(std::move(object));
        } else if (auto refused = reader.quarantine(cursor, start)) {
          list.quarantined.push_back(*std::move(refused));
        }
      });
      cursor.keep_unescaped_in(reading.unescaped());
    } else {
      cursor.skip();
    }
  });
  cursor.finish();
  if (!cursor.failed() && !has_items) cursor.fail("items", "is missing: this is no list");
  if (!cursor.failed() && list.revision == Revision{}) {
    cursor.fail("metadata.resourceVersion", "is missing");
  }
  if (cursor.failed()) return cursor.error();
  return list;
}

}  // namespace

base::Result<DecodedList> decode_list(const Resource& resource, std::string_view json,
                                      const DecodeOptions& options) {
  auto list = read_list(resource, json, options);
  if (list.has_value()) return list;
  const auto repaired = repaired_utf8(json);
  if (!repaired.has_value()) return list;
  list = read_list(resource, *repaired, options);
  if (list.has_value()) list->repaired = true;
  return list;
}

}  // namespace podkeeper::kube
