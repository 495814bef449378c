#pragma once

#include "pkg/access/authorized.h"
#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/base/world.h"
#include "pkg/kube/metadata_client.h"
#include "pkg/kube/reflector.h"
#include "pkg/state/currency.h"
#include "pkg/state/store.h"
#include "pkg/telemetry/metrics.h"

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace podkeeper::state {

struct SelfAuditOptions {
  base::Duration interval = std::chrono::seconds(60);
  /// How long the mirror may take to be where the LIST is, and a page to come.
  base::Duration wait_max = std::chrono::seconds(3);
  base::Duration page_timeout = std::chrono::seconds(30);
  bool tell_keys = true;  ///< false: the log has counts alone, since names are confidential too
};

/// How the mirror differed from upstream.
struct AuditFindings {
  kube::Revision revision;             ///< at which both were compared
  std::size_t objects = 0;             ///< upstream
  std::size_t missing = 0;             ///< upstream has it, the mirror does not
  std::size_t stale = 0;               ///< another uid or resourceVersion
  std::size_t extra = 0;               ///< the mirror has it, upstream does not
  std::vector<std::string> keys = {};  ///< of the first kKeysMax of them

  static constexpr std::size_t kKeysMax = 10;
  [[nodiscard]] std::size_t divergent() const noexcept { return missing + stale + extra; }
};

/// Looks after what the mirror believes: every interval, a metadata-only LIST is compared with the
/// mirror by key, uid and resourceVersion, and what differs is counted, told and repaired. A watch
/// that leaves out an event, which nothing else would ever notice, is found within one interval.
///
/// What is compared is one revision with the same revision: the LIST's pages are all of its own,
/// and the mirror's state of then is what the event log leaves when later events are undone. So
/// changes during the audit, however many, are no difference. A mirror that is behind the LIST is
/// waited for; if it does not come, though its watch is up and silent all the while, it is compared
/// as it is: what it lacks then, it was not told. Where nothing can be compared (no watch, a
/// history too short, a token that expired) the audit ends without a word, until the next one.
///
/// What the mirror lacks because it cannot be read (see kube::Quarantine) is no difference: no LIST
/// would bring it.
///
/// The repair is a LIST by the reflector: it goes the one way by which all changes come, in order
/// with the stream, is diffed, and it begins a new watch in the place of one that is not to be
/// trusted any more. A GET of each object would have to be ordered against that stream.
///
/// The world, the metrics and the store outlive it, and it outlives its task.
class SelfAudit {
 public:
  SelfAudit(base::World& world, telemetry::Metrics& metrics, Store& store,
            access::AuthorizedRead allowed, std::shared_ptr<Currency> currency,
            std::shared_ptr<kube::MetadataClient> upstream,
            std::shared_ptr<kube::Reflector> reflector, SelfAuditOptions options = {});
  ~SelfAudit();

  /// Audits every interval, less up to a fifth of it by chance, until its task is stopped.
  base::Task<void> run();
  /// One audit, with its repair. An Error says why nothing could be compared.
  base::Task<base::Result<AuditFindings>> audit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace podkeeper::state
