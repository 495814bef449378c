#include "pkg/policy/parse.h"

#include "pkg/kube/decode.h"
#include "pkg/kube/json_text.h"
#include "pkg/kube/object.h"
#include "pkg/policy/field_reader.h"
#include "pkg/policy/names.h"
#include "pkg/policy/selector_reader.h"

#include <iterator>
#include <limits>

namespace podkeeper::policy {
namespace {

constexpr std::size_t kResourcesMax = 64;
constexpr std::size_t kNamespacesMax = 256;
constexpr std::size_t kCachesMax = 2;
constexpr std::int32_t kShardsMax = 65536;

constexpr std::array<Word<Strategy>, 7> kStrategies = {{{"Auto", Strategy::kAuto},
                                                        {"Mutex", Strategy::kMutex},
                                                        {"RWMutex", Strategy::kRWMutex},
                                                        {"Sharded", Strategy::kSharded},
                                                        {"SyncMap", Strategy::kSyncMap},
                                                        {"CopyOnWrite", Strategy::kCopyOnWrite},
                                                        {"LockFree", Strategy::kLockFree}}};
constexpr std::array<Word<cmap::Hash>, 2> kHashes = {
    {{"XXH3", cmap::Hash::kXXH3}, {"FNV1a", cmap::Hash::kFNV1a}}};
constexpr std::array<Word<Cache>, 2> kCaches = {
    {{"tokens", Cache::kTokens}, {"access", Cache::kAccess}}};
constexpr std::array<Word<Consistency>, 3> kConsistencies = {
    {{"Eventual", Consistency::kEventual},
     {"Snapshot", Consistency::kSnapshot},
     {"Linearizable", Consistency::kLinearizable}}};
constexpr std::array<Word<Durability>, 3> kDurabilities = {
    {{"None", Durability::kNone},
     {"WriteBehind", Durability::kWriteBehind},
     {"WriteThrough", Durability::kWriteThrough}}};
constexpr std::array<Word<Sharing>, 2> kSharings = {
    {{"None", Sharing::kNone}, {"SharedMemory", Sharing::kSharedMemory}}};
constexpr std::array<Word<AuditMode>, 3> kAuditModes = {
    {{"Off", AuditMode::kOff}, {"Sampled", AuditMode::kSampled}, {"All", AuditMode::kAll}}};
constexpr std::array<Word<MigrationMode>, 2> kMigrationModes = {
    {{"Online", MigrationMode::kOnline}, {"OnRestart", MigrationMode::kOnRestart}}};

/// A set of strings that `fits` accepts.
void read_names(FieldReader& reader, std::vector<std::string>& into, std::size_t max,
                bool (*fits)(std::string_view) noexcept, const char* form) {
  reader.array(max, [&] {
    const auto item = reader.text();
    if (!item) return;
    if (!fits(item->value)) return reader.note(item->raw, form);
    if (std::ranges::find(into, item->value) != into.end()) {
      return reader.note(item->raw, "is in the list twice");
    }
    into.push_back(item->value);
  });
}

constexpr std::array<Member<Target>, 4> kTarget = {
    {{"resources",
      [](FieldReader& reader, Target& into) {
        read_names(reader, into.resources, kResourcesMax, is_plural_group,
                   "must be a resource as plural[.group] in lower case: pods, deployments.apps");
      }},
     {"namespaces",
      [](FieldReader& reader, Target& into) {
        read_names(reader, into.namespaces, kNamespacesMax, is_namespace_pattern,
                   "must be a namespace's name, or its beginning and an asterisk: team-a, ci-*");
      }},
     {"podSelector", [](FieldReader& reader, Target& into) { read_selector(reader, into.pods); }},
     {"caches", [](FieldReader& reader, Target& into) {
        reader.array(kCachesMax, [&] {
          Cache cache = Cache::kTokens;
          if (!reader.word(cache, kCaches)) return;
          if (std::ranges::find(into.caches, cache) != into.caches.end()) {
            return reader.note(cache == Cache::kTokens ? "tokens" : "access",
                               "is in the list twice");
          }
          into.caches.push_back(cache);
        });
      }}}};

constexpr std::array<Member<Bounds>, 2> kBounds = {
    {{"maxEntries",
      [](FieldReader& reader, Bounds& into) { reader.integer(into.max_entries, 1, 100'000'000); }},
     {"ttlSeconds",
      [](FieldReader& reader, Bounds& into) { reader.integer(into.ttl_seconds, 1, 86'400); }}}};

struct ExpiryInput {
  Expiry expiry;
  bool ttl_given = false;
};
constexpr std::array<Member<ExpiryInput>, 2> kExpiry = {
    {{"terminalPodTTLSeconds",
      [](FieldReader& reader, ExpiryInput& into) {
        if (reader.null()) return;
        into.ttl_given = true;
        reader.integer(into.expiry.terminal_pod_ttl_seconds, 1, 31'536'000);
      }},
     {"sweepIntervalSeconds", [](FieldReader& reader, ExpiryInput& into) {
        reader.integer(into.expiry.sweep_interval_seconds, 1, 3'600);
      }}}};

constexpr std::array<Member<Reads>, 2> kReads = {
    {{"default",
      [](FieldReader& reader, Reads& into) { reader.word(into.consistency, kConsistencies); }},
     {"maxStalenessMilliseconds", [](FieldReader& reader, Reads& into) {
        reader.integer(into.max_staleness_milliseconds, 1, 86'400'000);
      }}}};

constexpr std::array<Member<Durability>, 1> kDurability = {
    {{"mode", [](FieldReader& reader, Durability& into) { reader.word(into, kDurabilities); }}}};
constexpr std::array<Member<Sharing>, 1> kSharing = {
    {{"mode", [](FieldReader& reader, Sharing& into) { reader.word(into, kSharings); }}}};

constexpr std::array<Member<Audit>, 2> kAudit = {
    {{"mode", [](FieldReader& reader, Audit& into) { reader.word(into.mode, kAuditModes); }},
     {"ringEntries",
      [](FieldReader& reader, Audit& into) { reader.integer(into.ring_entries, 64, 1'048'576); }}}};

constexpr std::array<Member<Migration>, 3> kMigration = {
    {{"mode",
      [](FieldReader& reader, Migration& into) { reader.word(into.mode, kMigrationModes); }},
     {"timeoutSeconds",
      [](FieldReader& reader, Migration& into) { reader.integer(into.timeout_seconds, 1, 3'600); }},
     {"rollbackOnRegression",
      [](FieldReader& reader, Migration& into) { reader.boolean(into.rollback_on_regression); }}}};

struct SpecInput {
  Spec spec;
  bool strategy_given = false;
};

void read_strategy(FieldReader& reader, SpecInput& into) {
  if (reader.null()) return;
  into.strategy_given = true;
  reader.word(into.spec.strategy, kStrategies);
}

void read_bounds(FieldReader& reader, SpecInput& into) {
  if (reader.null()) return;
  reader.object(kBounds, into.spec.bounds.emplace());
  if (!into.spec.bounds->max_entries && !into.spec.bounds->ttl_seconds) {
    reader.note("", "needs maxEntries or ttlSeconds");
  }
}

void read_expiry(FieldReader& reader, SpecInput& into) {
  if (reader.null()) return;
  ExpiryInput input;
  reader.object(kExpiry, input);
  if (!input.ttl_given) reader.note("", "needs terminalPodTTLSeconds");
  into.spec.expiry = input.expiry;
}

constexpr std::array<Member<SpecInput>, 12> kSpec = {
    {{"target",
      [](FieldReader& reader, SpecInput& into) { reader.object(kTarget, into.spec.target); }},
     {"priority", [](FieldReader& reader,
                     SpecInput& into) { reader.integer(into.spec.priority, -1000, 1000); }},
     {"strategy", read_strategy},
     {"shards", [](FieldReader& reader,
                   SpecInput& into) { reader.power_of_two(into.spec.shards, kShardsMax); }},
     {"hash", [](FieldReader& reader, SpecInput& into) { reader.word(into.spec.hash, kHashes); }},
     {"bounds", read_bounds},
     {"expiry", read_expiry},
     {"consistency",
      [](FieldReader& reader, SpecInput& into) {
        if (!reader.null()) reader.object(kReads, into.spec.reads.emplace());
      }},
     {"durability", [](FieldReader& reader,
                       SpecInput& into) { reader.object(kDurability, into.spec.durability); }},
     {"sharing",
      [](FieldReader& reader, SpecInput& into) { reader.object(kSharing, into.spec.sharing); }},
     {"audit",
      [](FieldReader& reader, SpecInput& into) { reader.object(kAudit, into.spec.audit); }},
     {"migration", [](FieldReader& reader, SpecInput& into) {
        reader.object(kMigration, into.spec.migration);
      }}}};

struct Document {
  Identity identity;
  SpecInput input;
  bool spec_given = false;
};

void read_spec(FieldReader& reader, Document& into) {
  if (reader.null()) return;
  into.spec_given = true;
  reader.object(kSpec, into.input);
  if (!into.input.strategy_given) {
    reader.note("", "needs strategy: Mutex, RWMutex, Sharded, ...");
  }
}

/// metadata is Kubernetes' own, and was read when the object was taken in.
void read_metadata(FieldReader& reader, Document& into) {
  constexpr std::size_t kMembersMax = std::numeric_limits<std::size_t>::max();
  Identity& identity = into.identity;
  reader.any_object(kMembersMax, [&](std::string_view name) {
    const std::string key(name);
    if (key == "generation") {
      return reader.integer(identity.generation, 0, std::numeric_limits<std::int64_t>::max());
    }
    const bool text =
        key == "name" || key == "uid" || key == "resourceVersion" || key == "creationTimestamp";
    if (!text) return reader.skip();
    const auto value = reader.text();
    if (!value) return;
    if (key == "name") identity.name = value->value;
    if (key == "uid") identity.uid = value->value;
    if (key == "resourceVersion") {
      identity.revision = kube::parse_revision(value->value).value_or(kube::Revision{});
    }
    if (key == "creationTimestamp") identity.created = kube::parse_time(value->value).value_or(0);
  });
}

void pass(FieldReader& reader, Document& /*into*/) { reader.skip(); }

constexpr std::array<Member<Document>, 5> kDocument = {{{"apiVersion", pass},
                                                        {"kind", pass},
                                                        {"metadata", read_metadata},
                                                        {"spec", read_spec},
                                                        {"status", pass}}};

/// The text with every byte that is no UTF-8, and every control character that JSON does not allow
/// anywhere, replaced by U+FFFD: what remains is read, and the field that holds it is named.
/// Nothing where there is none, which is the rule.
std::optional<std::string> repaired(std::string_view json) {
  const auto bad_length = [](std::string_view at) -> std::size_t {
    const auto first = static_cast<unsigned char>(at.front());
    const bool space = first == '\t' || first == '\n' || first == '\r';
    if (first < 0x20) return space ? 0 : 1;
    if (first < 0x80) return 0;
    return kube::utf8_length(at) == 0 ? 1 : 0;
  };
  std::optional<std::string> out;
  for (std::size_t at = 0; at < json.size();) {
    const std::string_view rest = json.substr(at);
    const bool bad = bad_length(rest) != 0;
    if (bad && !out) out.emplace(json.substr(0, at));
    const std::size_t length =
        bad || static_cast<unsigned char>(rest.front()) < 0x80 ? 1 : kube::utf8_length(rest);
    if (out) out->append(bad ? "\xEF\xBF\xBD" : rest.substr(0, length));
    at += length;
  }
  return out;
}

/// What stands where the text stopped being JSON.
std::string what_stands_at(const char* position, std::string_view text) {
  const auto at = static_cast<std::size_t>(position - text.data());
  const std::string_view rest = text.substr(std::min(at, text.size()));
  return shortened(rest.substr(0, rest.find_first_of(",]} \t\r\n")));
}

}  // namespace

Parsed parse(std::string_view json) {
  Parsed parsed;
  if (json.size() > kube::kObjectBytesMax) {
    parsed.violations.push_back({"object", std::to_string(json.size()) + " bytes",
                                 "must be at most " + std::to_string(kube::kObjectBytesMax)});
    return parsed;
  }
  const std::optional<std::string> repair = repaired(json);
  const std::string_view text = repair ? std::string_view(*repair) : json;
  kube::JsonReading reading(text);
  if (!reading.ok()) {
    parsed.violations.push_back(
        {"object", shortened(text), "must be JSON: " + reading.error().message});
    return parsed;
  }
  Document document;
  kube::JsonCursor& cursor = reading.cursor();
  FieldReader reader(cursor, parsed.violations, Parsed::kViolationsMax);
  reader.object(kDocument, document);
  cursor.finish();
  parsed.identity = std::move(document.identity);
  if (cursor.failed()) {
    const std::string& at = reader.failed_at();
    parsed.violations.push_back({at.empty() ? "object" : at,
                                 what_stands_at(cursor.position(), text),
                                 "must be JSON: " + cursor.error().message});
    return parsed;
  }
  if (!document.spec_given) {
    parsed.violations.push_back({"spec", "", "is required"});
  } else if (parsed.violations.empty()) {
    parsed.violations = validate(document.input.spec);
  }
  parsed.spec = std::move(document.input.spec);
  return parsed;
}

}  // namespace podkeeper::policy
