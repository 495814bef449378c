// says: which does not point to an object of type
#include <set>
#include <string>

namespace {
class Registry {
 public:
  virtual ~Registry() = default;
  virtual bool add(const std::string& name) { return names_.insert(name).second; }

 private:
  std::set<std::string> names_;
};

bool announce(Registry& registry) { return registry.add("pods"); }

#ifdef PK_MISUSE
extern Registry registry;
const bool added = announce(registry);  // runs before the registry's constructor
Registry registry;
#else
Registry& registry() {
  static Registry made;
  return made;
}
const bool added = announce(registry());
#endif
}  // namespace

int main() { return added ? 0 : 1; }
