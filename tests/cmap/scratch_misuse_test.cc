#include "pkg/cmap/scratch_misuse.h"

#include "pkg/base/panic.h"
#include "pkg/base/ref.h"
#include "pkg/base/task_context.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <source_location>
#include <string>

namespace podkeeper::cmap {
namespace {

base::Ref<base::TaskContext> task(std::uint64_t id, const std::string& name) {
  return base::make_ref<base::TaskContext>(id, 0u, name, base::Handler::kEvent,
                                           base::MonotonicTime{}, std::source_location::current());
}

std::optional<base::Misuse> drill() {
  try {
    iterate_while_written_by(task(2, "writer"));
  } catch (const base::Misuse& misuse) {
    return misuse;
  }
}

TEST(ScratchMisuse, NamesBothTasksAndWhereEachWas) {
  const auto me = task(1, "me");
  const base::TaskScope scope(me.get());
  const auto misuse = drill();
  ASSERT_TRUE(misuse.has_value());
  ASSERT_EQ(misuse->parties().size(), 2U);
  const base::MisuseParty& mine = misuse->parties()[0];
  const base::MisuseParty& other = misuse->parties()[1];
  EXPECT_EQ(mine.doing, "iteration");
  EXPECT_EQ(mine.task_name, "me");
  EXPECT_EQ(other.doing, "write");
  EXPECT_EQ(other.task_name, "writer");
  EXPECT_EQ(other.task_id, 2U);
  EXPECT_NE(mine.call_site, other.call_site);
  EXPECT_EQ(base::current_task(), me.get()) << "the task goes on as itself";
}

TEST(ScratchMisuse, NamesTheWriterWhereNoTaskRuns) {
  const auto misuse = drill();
  ASSERT_TRUE(misuse.has_value());
  ASSERT_EQ(misuse->parties().size(), 2U);
  EXPECT_EQ(misuse->parties()[0].task_id, 0U);
  EXPECT_EQ(misuse->parties()[1].task_name, "writer");
}

}  // namespace
}  // namespace podkeeper::cmap
