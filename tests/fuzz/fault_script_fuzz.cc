// Fault scripts of simkube: a script is refused by name, or within its caps and JSON to another
// parser as well.
#include "pkg/simkube/fault_script.h"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>

#include "tests/fuzz/support/grammar.h"

namespace podkeeper::fuzz {
namespace {

constexpr std::string_view kWords[] = {"when",
                                       "do",
                                       "verb",
                                       "list",
                                       "watch",
                                       "get",
                                       "resource",
                                       "pods",
                                       "nth",
                                       "after",
                                       "for",
                                       "10s",
                                       "500ms",
                                       "1h",
                                       "-1",
                                       "0",
                                       "answer",
                                       "status",
                                       "headers",
                                       "body",
                                       "delay",
                                       "cut",
                                       "halfOpen",
                                       "drop",
                                       "repeat",
                                       "insert",
                                       "line",
                                       "error",
                                       "bytes",
                                       "410",
                                       "chunkExtension",
                                       "trailer",
                                       "true",
                                       "restore",
                                       "\\u0000",
                                       "\\ud800",
                                       "1e999",
                                       "18446744073709551616",
                                       "33554433",
                                       "1099511627777",
                                       "{",
                                       "}",
                                       "[",
                                       "]",
                                       ":",
                                       ",",
                                       "\""};
constexpr std::size_t kLimits[] = {256, 65536};

constexpr std::string_view kScript =
    R"([{"when":{"verb":"list","resource":"pods","nth":2},)"
    R"("do":{"answer":{"status":429,"headers":{"Retry-After":"5"}}}},)"
    R"({"when":{"verb":"watch","after":"10s","for":"1m"},"do":{"cut":300}},)"
    R"({"when":{},"do":{"insert":{"after":1,"error":410}}},{"when":{},"do":{"delay":"500ms"}},)"
    R"({"when":{"verb":"watch"},"do":{"insert":{"after":0,"bytes":100}}},)"
    R"({"when":{"after":"1s"},"do":{"restore":true}},{"when":{},"do":{"trailer":65536}}])";

void check(std::string_view input) {
  const auto rules = simkube::parse_fault_script(input);
  if (!rules) {
    demand(rules.error().code == base::ErrorCode::kInvalidArgument ||
               rules.error().code == base::ErrorCode::kTooLarge,
           "an odd code");
    demand(!rules.error().message.empty(), "a refusal without a word");
    return;
  }
  demand(nlohmann::json::accept(input), "a script was accepted that is no JSON");
  demand(input.size() <= simkube::kFaultScriptBytesMax, "a script beyond the cap");
  demand(rules->size() <= simkube::kFaultRulesMax, "more rules than the cap");
  std::size_t made_up = 0;
  for (const auto& rule : *rules) {
    demand(rule.when.after >= base::Duration::zero() && rule.when.lasts >= base::Duration::zero(),
           "a time before the start");
    demand(!std::string_view(simkube::name_of(rule.what)).empty(), "a fault without a name");
    if (const auto* insert = std::get_if<simkube::FaultInsert>(&rule.what)) {
      made_up += insert->bytes.size();
    }
  }
  demand(made_up <= simkube::kInsertBytesMax + 2 * simkube::kFaultScriptBytesMax,
         "more is made up than may be");
}

std::string generate(Dice& dice) { return vary_json(dice, kScript, kWords); }

const Target kTarget{"fault_script", check, generate, kWords, kLimits};
const Registered kRegistered(kTarget);

}  // namespace
}  // namespace podkeeper::fuzz
