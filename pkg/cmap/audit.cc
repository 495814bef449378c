#include "pkg/cmap/audit.h"

#include "pkg/base/epoch.h"
#include "pkg/base/panic.h"
#include "pkg/base/task_context.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <utility>

namespace podkeeper::cmap {
namespace {

// A slot's words: when, task id, hash, shard and bucket, kinds and lengths, then the two texts.
constexpr std::size_t kWhen = 0, kTask = 1, kHash = 2, kPosition = 3, kShape = 4, kName = 5;
constexpr std::size_t kText = kName + AuditEntry::kTaskNameBytes / 8;
static_assert(kText + AuditEntry::kKeyBytes / 8 == 15);

constexpr std::string_view kCut = "..";
constexpr std::size_t kKeyHead = 22;
constexpr std::size_t kKeyTail = AuditEntry::kKeyBytes - kKeyHead - kCut.size();

/// Writes at most AuditEntry::kKeyBytes; returns how many.
std::size_t shorten_into(char* out, std::string_view key) noexcept {
  if (key.size() <= AuditEntry::kKeyBytes) {
    std::ranges::copy(key, out);
    return key.size();
  }
  out = std::ranges::copy(key.substr(0, kKeyHead), out).out;
  out = std::ranges::copy(kCut, out).out;
  std::ranges::copy(key.substr(key.size() - kKeyTail), out);
  return AuditEntry::kKeyBytes;
}

}  // namespace

const char* to_string(AuditMode mode) noexcept {
  switch (mode) {
    case AuditMode::kOff:
      return "Off";
    case AuditMode::kSampled:
      return "Sampled";
    case AuditMode::kAll:
      return "All";
  }
  return "Off";
}

const char* to_string(Operation operation) noexcept {
  switch (operation) {
    case Operation::kFind:
      return "find";
    case Operation::kPut:
      return "put";
    case Operation::kErase:
      return "erase";
    case Operation::kCompareAndPut:
      return "compare_and_put";
    case Operation::kCompareAndErase:
      return "compare_and_erase";
    case Operation::kIterate:
      return "iterate";
  }
  return "find";
}

const char* to_string(Operation operation, OperationOutcome outcome) noexcept {
  if (outcome == OperationOutcome::kPanicked) return "panicked";
  const bool yes = outcome == OperationOutcome::kTrue;
  switch (operation) {
    case Operation::kFind:
      return yes ? "found" : "absent";
    case Operation::kPut:
      return yes ? "added" : "replaced";
    case Operation::kErase:
      return yes ? "erased" : "absent";
    case Operation::kCompareAndPut:
    case Operation::kCompareAndErase:
      return yes ? "done" : "refused";
    case Operation::kIterate:
      return "walked";
  }
  return "absent";
}

std::string shorten_key(std::string_view key) {
  std::array<char, AuditEntry::kKeyBytes> text{};
  return {text.data(), shorten_into(text.data(), key)};
}

AuditRing::AuditRing(std::size_t entries)
    : mask_(entries - 1), slots_(std::make_unique<Slot[]>(entries)) {
  PK_CHECK(std::has_single_bit(entries), "a ring needs a power of two of entries");
}

AuditRing::Words AuditRing::pack(const AuditEntry& entry, std::string_view key,
                                 std::string_view task_name) noexcept {
  Words words{};
  std::array<char, AuditEntry::kKeyBytes> text{};
  std::array<char, AuditEntry::kTaskNameBytes> name{};
  const std::size_t text_bytes = shorten_into(text.data(), key);
  const std::size_t name_bytes = std::min(task_name.size(), name.size());
  std::ranges::copy(task_name.substr(0, name_bytes), name.data());
  words[kWhen] = std::bit_cast<std::uint64_t>(entry.when.time_since_epoch().count());
  words[kTask] = entry.task_id;
  words[kHash] = entry.hash;
  words[kPosition] = std::uint64_t{entry.position.shard} << 32 | entry.position.bucket;
  words[kShape] = static_cast<std::uint64_t>(entry.operation) |
                  static_cast<std::uint64_t>(entry.outcome) << 8 | name_bytes << 16 |
                  text_bytes << 24;
  std::memcpy(&words[kName], name.data(), name.size());
  std::memcpy(&words[kText], text.data(), text.size());
  return words;
}

AuditEntry AuditRing::unpack(const Words& words, std::uint64_t sequence) {
  std::array<char, AuditEntry::kKeyBytes> text{};
  std::array<char, AuditEntry::kTaskNameBytes> name{};
  std::memcpy(name.data(), &words[kName], name.size());
  std::memcpy(text.data(), &words[kText], text.size());
  const std::uint64_t shape = words[kShape];
  return {.sequence = sequence,
          .when = base::MonotonicTime(base::Duration(std::bit_cast<std::int64_t>(words[kWhen]))),
          .task_id = words[kTask],
          .task_name = std::string(name.data(), (shape >> 16) & 0xff),
          .operation = static_cast<Operation>(shape & 0xff),
          .outcome = static_cast<OperationOutcome>((shape >> 8) & 0xff),
          .hash = words[kHash],
          .key = std::string(text.data(), (shape >> 24) & 0xff),
          .position = {.shard = static_cast<std::uint32_t>(words[kPosition] >> 32),
                       .bucket = static_cast<std::uint32_t>(words[kPosition])}};
}

void AuditRing::note(const AuditEntry& entry, std::string_view key,
                     std::string_view task_name) noexcept {
  const Words words = pack(entry, key, task_name);
  const std::uint64_t sequence = drawn_.fetch_add(1, std::memory_order_relaxed) + 1;
  Slot& slot = slots_[sequence & mask_];
  std::uint64_t stamp = slot.stamp.load(std::memory_order_relaxed);
  // Odd: somebody is in it. Beyond ours: we were stopped for a whole turn, and others came after.
  if (stamp % 2 != 0 || stamp >= 2 * sequence ||
      !slot.stamp.compare_exchange_strong(stamp, 2 * sequence - 1, std::memory_order_acquire,
                                          std::memory_order_relaxed)) {
    lost_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  // Release, each: a reader that sees one of these words sees the odd stamp, too.
  for (std::size_t i = 0; i < kWords; ++i) {
    slot.words[i].store(words[i], std::memory_order_release);
  }
  slot.stamp.store(2 * sequence, std::memory_order_release);
}

bool AuditRing::read(std::uint64_t sequence, AuditEntry* entry) const {
  const Slot& slot = slots_[sequence & mask_];
  if (slot.stamp.load(std::memory_order_acquire) != 2 * sequence) return false;
  Words words{};
  // Acquire, each: the second look at the stamp comes after all of them.
  for (std::size_t i = 0; i < kWords; ++i) words[i] = slot.words[i].load(std::memory_order_acquire);
  if (slot.stamp.load(std::memory_order_relaxed) != 2 * sequence) return false;
  *entry = unpack(words, sequence);
  return true;
}

std::vector<AuditEntry> AuditRing::newest(std::size_t limit) const {
  const std::uint64_t drawn = noted();
  const std::uint64_t count = std::min<std::uint64_t>({drawn, entries(), limit});
  std::vector<AuditEntry> found;
  found.reserve(count);
  AuditEntry entry;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (read(drawn - i, &entry)) found.push_back(std::move(entry));
  }
  return found;
}

/// What is set, as one object: replaced as a whole.
struct Audit::Active {
  explicit Active(const AuditOptions& options_)
      : options(options_), ring(std::bit_ceil(options_.ring_entries)) {}
  const AuditOptions options;
  mutable AuditRing ring;
};

Audit::~Audit() { set({}); }

void Audit::set(const AuditOptions& options) {
  PK_CHECK(options.ring_entries >= AuditOptions::kRingEntriesMin &&
               options.ring_entries <= AuditOptions::kRingEntriesMax,
           "an audit ring of " + std::to_string(options.ring_entries) + " entries: needs " +
               std::to_string(AuditOptions::kRingEntriesMin) + " to " +
               std::to_string(AuditOptions::kRingEntriesMax));
  PK_CHECK(options.sample_every >= 1, "an audit that samples one operation of none");
  const bool off = options.mode == AuditMode::kOff;
  {
    const base::Epoch::Guard guard;
    const Active* now = active_.load(std::memory_order_acquire);
    if (now == nullptr ? off : now->options == options) return;
  }
  auto next = off ? nullptr : std::make_unique<const Active>(options);
  const std::uint32_t every =
      off ? 0 : (options.mode == AuditMode::kAll ? 1 : options.sample_every);
  const Active* before = active_.exchange(next.release(), std::memory_order_acq_rel);
  every_.store(every, std::memory_order_relaxed);
  if (before == nullptr) return;
  base::Epoch::retire(
      before, [](const void* active) { delete static_cast<const Active*>(active); },
      sizeof(Active) + before->ring.bytes());
}

AuditState Audit::state() const {
  const base::Epoch::Guard guard;
  const Active* active = active_.load(std::memory_order_acquire);
  if (active == nullptr) return {};
  return {.options = active->options,
          .noted = active->ring.noted(),
          .lost = active->ring.lost(),
          .bytes = active->ring.bytes()};
}

std::vector<AuditEntry> Audit::newest(std::size_t limit) const {
  const base::Epoch::Guard guard;
  const Active* active = active_.load(std::memory_order_acquire);
  if (active == nullptr) return {};
  return active->ring.newest(limit);
}

bool Audit::sampled(std::uint32_t every) noexcept {
  // The gaps vary about their mean: a thread that does the same few operations in turn would
  // otherwise always be seen at the same one. Numerical Recipes' generator; any would do.
  if (every == 1) return true;
  static constinit thread_local std::uint32_t left = 0;
  static constinit thread_local std::uint32_t state = 1;
  if (left > 2 * every) left = 0;  // counted down for a map that samples more seldom
  if (left > 1) {
    --left;
    return false;
  }
  state = state * 1'664'525 + 1'013'904'223;
  left =
      1 + static_cast<std::uint32_t>((std::uint64_t{state} * (2 * std::uint64_t{every} - 1)) >> 32);
  return true;
}

void Audit::note(Operation operation, const Key& key, OperationOutcome outcome,
                 Position position) const noexcept {
  const base::Epoch::Guard guard;
  const Active* active = active_.load(std::memory_order_acquire);
  if (active == nullptr) return;
  AuditEntry entry{
      .operation = operation, .outcome = outcome, .hash = key.hash, .position = position};
  std::string_view task_name;
  if (const base::TaskContext* task = base::current_task()) {
    entry.task_id = task->id;
    task_name = task->name;
  }
  if (active->options.clock != nullptr) entry.when = active->options.clock->now();
  active->ring.note(entry, key.text, task_name);
}

}  // namespace podkeeper::cmap
