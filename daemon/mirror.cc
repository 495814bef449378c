#include "daemon/mirror.h"

#include <utility>

#include "daemon/truth.h"

namespace podkeeper::daemon {
namespace {

/// What is known of a resource before upstream was asked.
kube::Resource provisional(const kube::ResourceName& name) {
  const kube::Resource* known = kube::find_resource(name.plural_group());
  if (known != nullptr) return *known;
  kube::Resource resource;
  resource.group = name.group;
  resource.version = name.version;
  resource.plural = name.plural;
  return resource;
}

kube::ReflectorOptions reflector_options(const settings::Settings& settings,
                                         kube::SharedDoubt& shared_doubt) {
  kube::ReflectorOptions options;
  options.shared_doubt = &shared_doubt;
  options.watch_idle_timeout = settings.watch_idle_timeout;
  options.watch_list = settings.watch_list_client;
  options.decode.drop_managed_fields = !settings.drop_fields.empty();
  return options;
}

}  // namespace

Mirror::Mirror(const MirrorServices& services, kube::ResourceName name)
    : services_(services),
      name_(std::move(name)),
      options_(reflector_options(services.settings, services.shared_doubt)),
      store_(services.world.clock(),
             state::StoreOptions{
                 .resource = provisional(name_),
                 .map = {},
                 .log = {.bytes_max = static_cast<std::size_t>(services.settings.history_bytes)}}) {
}

base::Result<void> Mirror::begin(kubeapi::ServedResource look) {
  const auto& [world, proving, client, shared_doubt, metrics, settings, authorizer] = services_;
  const std::string name = name_.plural_group();
  auto allowed = authorizer.read("", {.plural_group = name, .namespace_ = ""});
  if (!allowed) return std::move(allowed).error();
  options_.resource = look.resource;
  store_.set_namespaced(look.resource.namespaced);
  auto reflector = std::make_shared<kube::Reflector>(world, client, metrics, store_, options_);
  following_ = std::make_unique<runtime::TaskGroup>(world, proving.registry(), "mirror " + name);
  auto started = following_->spawn("reflector " + name, base::Handler::kEvent,
                                   [reflector] { return reflector->run(); });
  if (!started) return started;
  auto currency = start_truth({.world = world,
                               .client = client,
                               .metrics = metrics,
                               .settings = settings,
                               .resource = look.resource,
                               .store = store_,
                               .reflector = reflector,
                               .allowed = *std::move(allowed)},
                              proving, *following_);
  if (!currency) return std::move(currency).error();
  look.currency = *std::move(currency);
  {
    base::Lock lock(mutex_);
    reflector_ = std::move(reflector);
    served_ = std::move(look);
    problem_.clear();
    was_offered_ = true;
  }
  apply_rules();
  return {};
}

void Mirror::show(std::vector<kubeapi::PrinterColumn> columns,
                  std::vector<std::string> selectable_fields, std::uint64_t definition) {
  base::Lock lock(mutex_);
  if (!served_) return;
  served_->columns = std::move(columns);
  served_->resource.selectable_fields = std::move(selectable_fields);
  served_->definition = definition;
}

void Mirror::set_rules(std::vector<policy::ReadRule> rules) {
  auto next = std::make_shared<const std::vector<policy::ReadRule>>(std::move(rules));
  {
    base::Lock lock(mutex_);
    rules_.swap(next);
  }
  apply_rules();
}

void Mirror::apply_rules() {
  std::shared_ptr<const std::vector<policy::ReadRule>> applied, now;
  while (true) {
    std::shared_ptr<state::Currency> currency;
    {
      base::Lock lock(mutex_);
      now = rules_;
      if (served_) currency = served_->currency;
    }
    // Whoever set newer rules meanwhile may have been overtaken by this.
    if (!currency || !now || now == applied) return;
    currency->set_rules(*now);
    applied = now;
  }
}

base::Task<void> Mirror::end(bool forget) {
  if (!following_) co_return;
  {
    base::Lock lock(mutex_);
    served_.reset();
  }
  following_->stop();
  auto joining = following_->join();
  co_await std::move(joining);
  following_.reset();
  std::shared_ptr<kube::Reflector> ended;
  {
    base::Lock lock(mutex_);
    ended = std::exchange(reflector_, nullptr);
  }
  const auto held = reader().freshness();
  if (forget && held.synced) store_.replace({}, held.revision);
}

std::optional<kubeapi::ServedResource> Mirror::served() const {
  base::Lock lock(mutex_);
  return served_;
}

std::shared_ptr<const kube::Reflector> Mirror::reflector() const {
  base::Lock lock(mutex_);
  return reflector_;
}

bool Mirror::watching() const {
  const auto now = reflector();
  return now != nullptr && now->watching();
}

std::string Mirror::last_error() const {
  const auto now = reflector();
  return now != nullptr ? now->last_error() : "";
}

void Mirror::set_problem(std::string problem) {
  base::Lock lock(mutex_);
  problem_.swap(problem);
}

std::string Mirror::problem() const {
  base::Lock lock(mutex_);
  return problem_;
}

bool Mirror::was_offered() const {
  base::Lock lock(mutex_);
  return was_offered_;
}

}  // namespace podkeeper::daemon
