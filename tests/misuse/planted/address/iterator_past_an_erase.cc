// says: AddressSanitizer: heap-use-after-free
#include <string>
#include <unordered_map>

int main() {
  std::unordered_map<int, std::string> pods{{1, "a"}, {2, "b"}, {3, "c"}};
  for (auto at = pods.begin(); at != pods.end();) {
#ifdef PK_MISUSE
    pods.erase(at);
    ++at;
#else
    at = pods.erase(at);
#endif
  }
}
