// Patches of simkube: JSON patch judged by a second reading of its RFC, merge patch by its own law
// (twice is once), strategic merge by not falling over.
#include "pkg/simkube/json_patch.h"
#include "pkg/simkube/strategic_merge.h"
#include "pkg/simkube/writes.h"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>
#include <string_view>

#include "tests/fuzz/support/grammar.h"
#include "tests/fuzz/support/rfc6902.h"

namespace podkeeper::fuzz {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kWords[] = {"op",
                                       "path",
                                       "from",
                                       "value",
                                       "add",
                                       "remove",
                                       "replace",
                                       "move",
                                       "copy",
                                       "test",
                                       "",
                                       "/",
                                       "/a",
                                       "/a/b",
                                       "/a/0",
                                       "/a/-",
                                       "/spec/containers/0",
                                       "/~0",
                                       "/~1",
                                       "/~2",
                                       "/a/00",
                                       "/a/-1",
                                       "a",
                                       "b",
                                       "spec",
                                       "containers",
                                       "name",
                                       "$patch",
                                       "delete",
                                       "replace",
                                       "merge",
                                       "$retainKeys",
                                       "$setElementOrder/containers",
                                       "$deleteFromPrimitiveList/finalizers",
                                       "finalizers",
                                       "metadata",
                                       "ports",
                                       "containerPort",
                                       "conditions",
                                       "type",
                                       "status",
                                       "null",
                                       "0",
                                       "[",
                                       "]",
                                       "{",
                                       "}",
                                       "\"",
                                       ":",
                                       ",",
                                       "\n",
                                       "/18446744073709551616"};
constexpr std::size_t kLimits[] = {500, 1000, 10000};

constexpr std::string_view kDocument =
    R"({"a":{"b":[1,2,{"c":null}]},"metadata":{"name":"x","finalizers":["f","g"]},)"
    R"("spec":{"containers":[{"name":"c","ports":[{"containerPort":1}]},{"name":"d"}]},)"
    R"("status":{"conditions":[{"type":"Ready","status":"True"}]}})";

/// Whether `json` opens more than `max` objects and arrays inside each other.
bool nests_deeper_than(std::string_view json, std::size_t max) {
  std::size_t depth = 0;
  bool in_text = false;
  for (std::size_t at = 0; at < json.size(); ++at) {
    if (json[at] == '"') in_text = !in_text;
    if (in_text) {
      at += json[at] == '\\' ? 1 : 0;
    } else if (json[at] == '{' || json[at] == '[') {
      if (++depth > max) return true;
    } else if ((json[at] == '}' || json[at] == ']') && depth > 0) {
      --depth;
    }
  }
  return false;
}

void check_json_patch(const Json& document, const Json& patch) {
  Json ours = document;
  const auto done = simkube::json_patch(ours, patch);
  if (!done) {
    // Copies may be refused for their size alone, and nothing else that is right.
    const int code = done.error().code;
    demand(code == 400 || code == 413 || code == 422, "an odd status");
    return;
  }
  demand(patch.is_array() && patch.size() <= simkube::kJsonPatchOperationsMax, "beyond the cap");
  const std::string text = ours.dump(-1, ' ', false, Json::error_handler_t::replace);
  demand(!nests_deeper_than(text, 2 * simkube::kJsonPatchDepthMax), "deeper than allowed");
  const auto theirs = patched(document, patch);
  demand(theirs.has_value(), "a patch was applied that cannot be");
  demand_equal(ours.dump(), theirs->dump(), "a patch was applied otherwise than RFC 6902 says");
}

void check_merge(const Json& document, const Json& patch) {
  Json once = document;
  once.merge_patch(patch);
  Json twice = once;
  twice.merge_patch(patch);
  demand(once == twice, "a merge patch applied twice is not as once");
}

/// The document, a line break, the patch; a first letter says of what kind.
void check(std::string_view input) {
  const std::size_t end = input.find('\n');
  if (end == std::string_view::npos || end == 0) return;
  const char kind = input.front();
  const auto document_text = input.substr(1, end - 1), patch_text = input.substr(end + 1);
  // As the door of simkube does it.
  if (nests_deeper_than(document_text, simkube::kWriteDepthMax)) return;
  if (nests_deeper_than(patch_text, simkube::kWriteDepthMax)) return;
  const Json document = Json::parse(document_text, nullptr, /*allow_exceptions=*/false);
  const Json patch = Json::parse(patch_text, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object() || patch.is_discarded()) return;
  if (kind == 'm' && patch.is_object()) return check_merge(document, patch);
  if (kind != 's') return check_json_patch(document, patch);
  if (!patch.is_object()) return;
  Json merged = document;
  if (simkube::strategic_merge(merged, patch)) {
    demand(!merged.is_discarded(), "a merge that leaves nothing");
  }
}

std::string operation(Dice& dice) {
  const std::string op(pick(dice, {"add", "remove", "replace", "move", "copy", "test", "spam"}));
  const auto pointer = [&] {
    return std::string(pick(dice, {"", "/a", "/a/b", "/a/b/0", "/a/b/-", "/a/b/2/c", "/spec",
                                   "/spec/containers/1", "/metadata/finalizers/1", "/n", "/a/n",
                                   "/metadata/name", "/metadata/name/x", "/a/b/99", "/a/b/00"}));
  };
  std::string out = R"({"op":")" + op + R"(","path":")" + pointer() + "\"";
  if (op == "move" || op == "copy") out += R"(,"from":")" + pointer() + "\"";
  if (one_in(dice, 8) || op == "add" || op == "replace" || op == "test") {
    out += ",\"value\":" + json(dice, 4, kWords);
  }
  return out + "}";
}

std::string generate(Dice& dice) {
  const std::string document =
      one_in(dice, 3) ? vary_json(dice, kDocument, kWords) : std::string(kDocument);
  if (one_in(dice, 4)) return "m" + document + "\n" + vary_json(dice, kDocument, kWords);
  if (one_in(dice, 3)) return "s" + document + "\n" + vary_json(dice, kDocument, kWords);
  std::string patch = "[";
  const std::uint64_t operations = one_in(dice, 32) ? 200 : 1 + dice.below(6);
  const std::string repeated = operation(dice);
  for (std::uint64_t i = 0; i < operations; ++i) {
    if (i > 0) patch += ',';
    patch += operations == 200 ? repeated : operation(dice);
  }
  return "j" + document + "\n" + patch + "]";
}

const Target kTarget{"json_patch", check, generate, kWords, kLimits};
const Registered kRegistered(kTarget);

}  // namespace
}  // namespace podkeeper::fuzz
