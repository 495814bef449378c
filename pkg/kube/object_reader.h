#pragma once

#include "pkg/kube/json_cursor.h"
#include "pkg/kube/object.h"
#include "pkg/kube/pod_reader.h"
#include "pkg/kube/resource.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace podkeeper::kube {

/// A part of the text that an object's body leaves out.
struct Cut {
  const char* begin;
  const char* end;
};

/// Collects what is to be cut from one object so that its commas stay right: call member() for each
/// member in order, then finish(). Cuts go to a list shared with nested objects, ascending.
class MemberCuts {
 public:
  explicit MemberCuts(std::vector<Cut>& cuts) : cuts_(cuts) {}
  /// A member begins: what was cut before it ends here, its comma included.
  void begin(const char* key);
  /// The member has ended at `end`; `cut`: leave it out.
  void end(const char* end, bool cut);
  /// The object has ended: what was cut last takes the comma before it.
  void finish();

 private:
  std::vector<Cut>& cuts_;
  const char* member_ = nullptr;
  const char* first_ = nullptr;
  const char* open_ = nullptr;      ///< where the cut began that the next member ends
  const char* cut_end_ = nullptr;   ///< where that cut ends if no member follows
  const char* kept_end_ = nullptr;  ///< where the last member ended that stays
};

/// Reads Objects of one resource from a cursor, one after the other, with scratch memory that is
/// reused. Not thread-safe.
class ObjectReader {
 public:
  ObjectReader(const Resource& resource, const DecodeOptions& options);
  /// The object that is next; null where the cursor failed. `needs_revision`: it comes from a
  /// server, which always sends one.
  std::unique_ptr<Object> read(JsonCursor& cursor, bool needs_revision);
  /// After a read() that failed: passes the object by, from `start` on, where that was remembered,
  /// and says what is known of it. Nothing where its text is no JSON: then nothing behind it can be
  /// read either.
  std::optional<Quarantined> quarantine(JsonCursor& cursor, const JsonCursor& start);

 private:
  enum class Fields { kPod, kNode, kNone };
  void read_into(Object& object, JsonCursor& cursor, bool needs_revision);
  /// What is known of an object whose reading has failed, while its strings are there.
  [[nodiscard]] Quarantined refused(const JsonCursor& cursor) const;
  void read_members(JsonCursor& cursor, Object& object);
  void read_metadata(JsonCursor& cursor, Object& object);
  void read_labels(JsonCursor& cursor);
  /// Sorted by key; of equal keys the first counts.
  [[nodiscard]] Object::LabelSpan sorted_labels() const;
  void set_key(JsonCursor& cursor, Object& object);
  void take_body(Object& object, const char* begin, const char* end);
  void rebase_views(Object& object, const char* begin, const char* end);
  /// Where `at` stands in what stays of the text from `begin` on.
  [[nodiscard]] std::size_t kept_offset(const char* begin, const char* at) const;
  /// The same in the body, where metadata comes first.
  [[nodiscard]] std::size_t body_offset(const char* begin, const char* at) const;
  /// Moves the member metadata before what stands ahead of it; no byte is added or lost.
  void put_metadata_first(std::string& body) const;

  const Resource& resource_;
  DecodeOptions options_;
  Fields fields_;
  std::vector<Cut> cuts_;
  Object::LabelSpan labels_;
  PodReader pod_;
  Quarantined refused_;
  std::string_view namespace_, name_, uid_, revision_;
  std::string_view metadata_;       ///< the member, key and value
  std::size_t ahead_ = 0;           ///< bytes that stay and stand before it
  std::size_t metadata_bytes_ = 0;  ///< of it, those that stay
};

}  // namespace podkeeper::kube
