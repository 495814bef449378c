#include "daemon/truth.h"

#include "pkg/kube/metadata_client.h"
#include "pkg/kube/sensitive.h"
#include "pkg/state/self_audit.h"

#include <string>
#include <utility>

namespace podkeeper::daemon {

base::Result<std::shared_ptr<state::Currency>> start_truth(const TruthSources& sources,
                                                           runtime::TaskGroup& proving,
                                                           runtime::TaskGroup& following) {
  const std::string name = sources.resource.plural_group();
  const auto upstream = std::make_shared<kube::MetadataClient>(sources.client, sources.resource);
  auto currency = std::make_shared<state::Currency>(sources.world, proving, sources.metrics,
                                                    sources.store, upstream);
  if (sources.settings.audit_interval == base::Duration{}) return currency;
  state::SelfAuditOptions options;
  options.interval = sources.settings.audit_interval;
  options.tell_keys = !kube::is_sensitive(name);
  auto audit = std::make_shared<state::SelfAudit>(sources.world, sources.metrics, sources.store,
                                                  sources.allowed, currency, upstream,
                                                  sources.reflector, options);
  auto started = following.spawn("self-audit " + name, base::Handler::kTimer,
                                 [audit = std::move(audit)] { return audit->run(); });
  if (!started) return std::move(started).error();
  return currency;
}

}  // namespace podkeeper::daemon
