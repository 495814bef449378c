#include "pkg/base/panic.h"

#include "pkg/base/task_context.h"

#include <array>
#include <cstdio>
#include <utility>

namespace podkeeper::base {

const char* to_string(PanicKind kind) noexcept {
  switch (kind) {
    case PanicKind::kException:
      return "exception";
    case PanicKind::kInvariant:
      return "invariant";
    case PanicKind::kMisuse:
      return "misuse";
  }
  return "exception";
}

namespace {

std::string said(const std::string& why, const MisuseParty& self,
                 const std::optional<MisuseParty>& other) {
  std::string text = why + ": " + to_string(self);
  if (other) text += " met " + to_string(*other);
  return text;
}

}  // namespace

MisuseParty misuse_by_current_task(std::string doing, const void* address, std::string call_site) {
  MisuseParty party{
      .doing = std::move(doing), .call_site = std::move(call_site), .address = address};
  if (const TaskContext* task = current_task()) {
    party.task_id = task->id;
    party.task_name = task->name;
    party.created_by =
        std::string(task->created_by.file_name()) + ":" + std::to_string(task->created_by.line());
  }
  return party;
}

std::string to_string(const MisuseParty& party) {
  std::string text = party.doing;
  if (party.task_id != 0) {
    text += " of task " + party.task_name + "#" + std::to_string(party.task_id) + " (created by " +
            party.created_by + ")";
  } else {
    text += " outside any task";
  }
  if (!party.call_site.empty()) return text + " at " + party.call_site;
  if (party.address == nullptr) return text;
  std::array<char, 24> address{};
  std::snprintf(address.data(), address.size(), "%p", party.address);
  return text + " at " + address.data();
}

Misuse::Misuse(const std::string& why, MisuseParty self, std::optional<MisuseParty> other,
               std::source_location where)
    : Panic(PanicKind::kMisuse, said(why, self, other), where) {
  parties_.push_back(std::move(self));
  if (other) parties_.push_back(std::move(*other));
}

namespace detail {

void check_failed(const char* expression, const std::string& why, std::source_location where) {
  throw Panic(PanicKind::kInvariant, "check failed: " + std::string(expression) + ": " + why,
              where);
}

}  // namespace detail

}  // namespace podkeeper::base
