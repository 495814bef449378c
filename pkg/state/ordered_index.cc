#include "pkg/state/ordered_index.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace podkeeper::state {
namespace {

/// A bulk load leaves room, so that the first insertions after it do not split every segment.
constexpr std::size_t kSegmentRecordsBuilt = kSegmentRecordsMax * 3 / 4;
constexpr std::size_t kChunkSegmentsBuilt = kChunkSegmentsMax * 3 / 4;

/// The last slot that begins at or before `key`, or the first slot. `slots` is not empty.
template <class Slots>
std::size_t slot_of(const Slots& slots, std::size_t count, IndexOrder order, IndexKey key) {
  std::size_t low = 0;
  std::size_t high = count;
  while (high - low > 1) {
    const std::size_t middle = low + (high - low) / 2;
    if (index_key(order, *slots[middle].first) <= key) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

/// Position of the first record of the segment that is not before `key`.
std::size_t lower_bound(const Segment& segment, IndexOrder order, IndexKey key) {
  const auto* begin = segment.records.data();
  const auto* found =
      std::lower_bound(begin, begin + segment.count, key,
                       [order](const Record* r, IndexKey k) { return index_key(order, *r) < k; });
  return static_cast<std::size_t>(found - begin);
}

bool holds(const Segment& segment, std::size_t position, IndexOrder order, IndexKey key) {
  return position < segment.count && index_key(order, *segment.records[position]) == key;
}

const Segment* make_segment(std::span<const Record* const> records) {
  auto* segment = new Segment;
  segment->count = static_cast<std::uint32_t>(records.size());
  std::ranges::copy(records, segment->records.begin());
  return segment;
}

IndexSlot<Segment> slot_for(const Segment* segment) {
  return {segment, segment->records[0], segment->count};
}

IndexSlot<Chunk> make_chunk(std::span<const IndexSlot<Segment>> segments) {
  auto* chunk = new Chunk;
  chunk->count = static_cast<std::uint32_t>(segments.size());
  std::ranges::copy(segments, chunk->slots.begin());
  for (const auto& slot : segments) chunk->records += slot.records;
  return {chunk, segments.front().first, chunk->records};
}

}  // namespace

IndexKey index_key(IndexOrder order, const Record& record) noexcept {
  return {order == IndexOrder::kNode ? record.node() : std::string_view(), record.key_text()};
}

void IndexView::Cursor::next() noexcept {
  if (segment_ == nullptr || ++position_ < segment_->count) return;
  position_ = 0;
  if (++slot_ == directory_->slots[chunk_].child->count) {
    slot_ = 0;
    ++chunk_;
  }
  segment_ = chunk_ == directory_->slots.size()
                 ? nullptr
                 : directory_->slots[chunk_].child->slots[slot_].child;
}

IndexView::Cursor IndexView::seek(IndexKey key) const noexcept {
  Cursor cursor;
  cursor.directory_ = directory_;
  if (directory_->slots.empty()) return cursor;
  cursor.chunk_ = slot_of(directory_->slots, directory_->slots.size(), order_, key);
  const Chunk& chunk = *directory_->slots[cursor.chunk_].child;
  cursor.slot_ = slot_of(chunk.slots, chunk.count, order_, key);
  cursor.segment_ = chunk.slots[cursor.slot_].child;
  cursor.position_ = lower_bound(*cursor.segment_, order_, key);
  if (cursor.position_ == cursor.segment_->count) {
    --cursor.position_;
    cursor.next();
  }
  return cursor;
}

const Record* IndexView::find(IndexKey key) const noexcept {
  const Record* record = seek(key).get();
  return record != nullptr && index_key(order_, *record) == key ? record : nullptr;
}

std::size_t IndexView::count_before(IndexKey key) const noexcept {
  if (directory_->slots.empty()) return 0;
  const std::size_t chunk_at = slot_of(directory_->slots, directory_->slots.size(), order_, key);
  const Chunk& chunk = *directory_->slots[chunk_at].child;
  const std::size_t slot_at = slot_of(chunk.slots, chunk.count, order_, key);
  std::size_t count = lower_bound(*chunk.slots[slot_at].child, order_, key);
  for (std::size_t i = 0; i < chunk_at; ++i) count += directory_->slots[i].records;
  for (std::size_t i = 0; i < slot_at; ++i) count += chunk.slots[i].records;
  return count;
}

struct OrderedIndex::Path {
  std::size_t chunk = 0;
  std::size_t slot = 0;
  const Segment* segment = nullptr;
  std::size_t position = 0;
  bool found = false;
};

OrderedIndex::OrderedIndex(IndexOrder order)
    : order_(order), directory_(std::make_unique<const Directory>()) {}

OrderedIndex::~OrderedIndex() { discard_all(); }

void OrderedIndex::build(std::span<const Record* const> sorted) {
  discard_all();
  auto directory = std::make_unique<Directory>();
  directory->records = sorted.size();
  std::vector<IndexSlot<Segment>> segments;
  while (!sorted.empty()) {
    const std::size_t taken = std::min(sorted.size(), kSegmentRecordsBuilt);
    segments.push_back(slot_for(make_segment(sorted.first(taken))));
    sorted = sorted.subspan(taken);
    if (segments.size() == kChunkSegmentsBuilt || sorted.empty()) {
      directory->slots.push_back(make_chunk(segments));
      segments.clear();
    }
  }
  directory_ = std::move(directory);
}

OrderedIndex::Path OrderedIndex::locate(IndexKey key) const noexcept {
  Path at;
  at.chunk = slot_of(directory_->slots, directory_->slots.size(), order_, key);
  const Chunk& chunk = *directory_->slots[at.chunk].child;
  at.slot = slot_of(chunk.slots, chunk.count, order_, key);
  at.segment = chunk.slots[at.slot].child;
  at.position = lower_bound(*at.segment, order_, key);
  at.found = holds(*at.segment, at.position, order_, key);
  return at;
}

void OrderedIndex::put(const Record& record) {
  const Record* pointer = &record;
  if (directory_->slots.empty()) {
    build({&pointer, 1});
    return;
  }
  const Path at = locate(index_key(order_, record));
  std::array<const Record*, kSegmentRecordsMax + 1> records;
  const auto* old = at.segment->records.data();
  auto* end = std::copy(old, old + at.position, records.data());
  *end++ = pointer;
  end = std::copy(old + at.position + (at.found ? 1 : 0), old + at.segment->count, end);

  const auto all =
      std::span<const Record* const>(records).first(static_cast<std::size_t>(end - records.data()));
  if (all.size() <= kSegmentRecordsMax) {
    const std::array fresh = {make_segment(all)};
    splice(at, 1, fresh);
    return;
  }
  // Keys that grow, as counters and times in names do, fill their segments instead of leaving them
  // half empty.
  const std::size_t left = at.position == kSegmentRecordsMax ? kSegmentRecordsMax : all.size() / 2;
  const std::array fresh = {make_segment(all.first(left)), make_segment(all.subspan(left))};
  splice(at, 1, fresh);
}

bool OrderedIndex::erase(IndexKey key) {
  if (directory_->slots.empty()) return false;
  Path at = locate(key);
  if (!at.found) return false;
  const Chunk& chunk = *directory_->slots[at.chunk].child;
  const std::size_t left = at.segment->count - 1;
  std::size_t gone = 1;
  // Two segments that fit into half of one's room become one, so that deletions give memory back.
  const auto fits = [&](std::size_t slot) {
    return left + chunk.slots[slot].records <= kSegmentRecordsMax / 2;
  };
  std::array<const Record*, kSegmentRecordsMax> records;
  auto* end = records.data();
  if (at.slot > 0 && fits(at.slot - 1)) {
    const Segment& before = *chunk.slots[--at.slot].child;
    end = std::copy_n(before.records.data(), before.count, end);
    gone = 2;
  }
  const auto* old = at.segment->records.data();
  end = std::copy_n(old, at.position, end);
  end = std::copy(old + at.position + 1, old + at.segment->count, end);
  if (gone == 1 && at.slot + 1 < chunk.count && fits(at.slot + 1)) {
    const Segment& after = *chunk.slots[at.slot + 1].child;
    end = std::copy_n(after.records.data(), after.count, end);
    gone = 2;
  }
  const auto all =
      std::span<const Record* const>(records).first(static_cast<std::size_t>(end - records.data()));
  if (all.empty()) {
    splice(at, gone, {});
  } else {
    const std::array fresh = {make_segment(all)};
    splice(at, gone, fresh);
  }
  return true;
}

/// Puts `fresh` in the place of `gone` segments of one chunk.
void OrderedIndex::splice(const Path& at, std::size_t gone, std::span<const Segment* const> fresh) {
  const auto& chunks = directory_->slots;
  const Chunk& old = *chunks[at.chunk].child;
  const std::size_t left = old.count - gone + fresh.size();
  const auto fits = [&](std::size_t chunk) {
    return left + chunks[chunk].child->count <= kChunkSegmentsMax / 2;
  };
  const bool with_before = at.chunk > 0 && fits(at.chunk - 1);
  const bool with_after = !with_before && at.chunk + 1 < chunks.size() && fits(at.chunk + 1);

  std::array<IndexSlot<Segment>, kChunkSegmentsMax + 1> slots;
  auto* end = slots.data();
  const auto take = [&end](const Chunk& chunk, std::size_t from, std::size_t to) {
    end = std::copy(chunk.slots.data() + from, chunk.slots.data() + to, end);
  };
  if (with_before) take(*chunks[at.chunk - 1].child, 0, chunks[at.chunk - 1].child->count);
  take(old, 0, at.slot);
  for (const Segment* segment : fresh) *end++ = slot_for(segment);
  take(old, at.slot + gone, old.count);
  if (with_after) take(*chunks[at.chunk + 1].child, 0, chunks[at.chunk + 1].child->count);

  for (std::size_t i = 0; i < gone; ++i) discard(old.slots[at.slot + i].child, sizeof(Segment));
  splice_chunks(at.chunk - (with_before ? 1 : 0), with_before || with_after ? 2 : 1,
                std::span(slots).first(static_cast<std::size_t>(end - slots.data())));
}

/// Puts chunks of these segments in the place of `gone` chunks.
void OrderedIndex::splice_chunks(std::size_t at, std::size_t gone,
                                 std::span<const IndexSlot<Segment>> segments) {
  auto directory = std::make_unique<Directory>();
  const auto& old = directory_->slots;
  directory->slots.reserve(old.size() + 1);
  const auto offset = [&old](std::size_t i) {
    return old.begin() + static_cast<std::ptrdiff_t>(i);
  };
  directory->slots.insert(directory->slots.end(), old.begin(), offset(at));
  if (segments.size() > kChunkSegmentsMax) {
    const std::size_t half = segments.size() / 2;
    directory->slots.push_back(make_chunk(segments.first(half)));
    directory->slots.push_back(make_chunk(segments.subspan(half)));
  } else if (!segments.empty()) {
    directory->slots.push_back(make_chunk(segments));
  }
  directory->slots.insert(directory->slots.end(), offset(at + gone), old.end());
  for (const auto& slot : directory->slots) directory->records += slot.records;

  for (std::size_t i = 0; i < gone; ++i) discard(old[at + i].child, sizeof(Chunk));
  const std::size_t bytes = sizeof(Directory) + old.size() * sizeof(IndexSlot<Chunk>);
  discard(directory_.release(), bytes);
  directory_ = std::move(directory);
}

void OrderedIndex::discard(const IndexNode* node, std::size_t bytes) {
  garbage_.nodes.emplace_back(node);
  garbage_.bytes += bytes;
}

void OrderedIndex::discard_all() {
  for (const auto& chunk : directory_->slots) {
    for (std::size_t i = 0; i < chunk.child->count; ++i) {
      discard(chunk.child->slots[i].child, sizeof(Segment));
    }
    discard(chunk.child, sizeof(Chunk));
  }
  const std::size_t bytes = sizeof(Directory) + directory_->slots.size() * sizeof(IndexSlot<Chunk>);
  discard(directory_.release(), bytes);
}

void OrderedIndex::take_garbage(IndexGarbage& into) {
  into.bytes += std::exchange(garbage_.bytes, 0);
  if (into.nodes.empty()) {
    into.nodes.swap(garbage_.nodes);
  } else {
    std::ranges::move(garbage_.nodes, std::back_inserter(into.nodes));
  }
  garbage_.nodes.clear();
}

std::size_t IndexView::bytes() const noexcept {
  std::size_t bytes = sizeof(Directory) + directory_->slots.size() * sizeof(IndexSlot<Chunk>);
  for (const auto& chunk : directory_->slots) {
    bytes += sizeof(Chunk) + chunk.child->count * sizeof(Segment);
  }
  return bytes;
}

}  // namespace podkeeper::state
