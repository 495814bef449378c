#include "pkg/simkube/faulty_answer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace podkeeper::simkube {
namespace {

const std::string kHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

std::string passed(const std::vector<FaultDo>& faults, const std::vector<std::string>& writes) {
  FaultyAnswer answer(faults);
  std::string out;
  for (const auto& write : writes) out += answer.pass(write).bytes;
  return out;
}

TEST(FaultyAnswer, DropsRepeatsAndPutsInEventsWhereverTheyAreWritten) {
  const std::vector<std::string> writes = {kHead + "4\r\na\nb\n\r\n", "2\r\nc\n\r\n"};
  EXPECT_EQ(passed({FaultDrop{2}}, writes), kHead + "2\r\na\n\r\n2\r\nc\n\r\n");
  EXPECT_EQ(passed({FaultDrop{3}}, writes), kHead + "4\r\na\nb\n\r\n");
  EXPECT_EQ(passed({FaultRepeat{1}}, writes), kHead + "6\r\na\na\nb\n\r\n2\r\nc\n\r\n");
  EXPECT_EQ(passed({FaultInsert{0, "x\n"}}, writes),
            kHead + "2\r\nx\n\r\n4\r\na\nb\n\r\n2\r\nc\n\r\n");
  EXPECT_EQ(passed({FaultInsert{3, "x\n"}}, writes), kHead + "4\r\na\nb\n\r\n4\r\nc\nx\n\r\n");
}

TEST(FaultyAnswer, LeavesTheLastChunkAndOtherAnswersAsTheyAre) {
  EXPECT_EQ(passed({FaultDrop{1}}, {kHead, "2\r\na\n\r\n", "0\r\n\r\n"}), kHead + "0\r\n\r\n");
  const std::string whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
  EXPECT_EQ(passed({FaultDrop{1}}, {whole}), whole);
}

TEST(FaultyAnswer, PutsExtensionsAndTrailersBehindTheHead) {
  EXPECT_EQ(passed({FaultChunkExtension{3}}, {kHead, "2\r\na\n\r\n"}),
            kHead + "1;xxx\r\n\n\r\n2\r\na\n\r\n");
  EXPECT_EQ(passed({FaultTrailer{3}}, {kHead, "2\r\na\n\r\n"}),
            kHead + "0\r\nX-Trailer: xxx\r\n\r\n");
}

TEST(FaultyAnswer, CutsAndFallsSilentAfterExactlySoManyBytes) {
  for (const unsigned at : {0U, 3U, 5U, 6U, 9U}) {
    FaultyAnswer cut({FaultCut{at}});
    FaultyAnswer silent({FaultHalfOpen{at}});
    std::string seen, heard;
    bool ended = false, hung = false;
    for (const char* write : {"abcde", "fghij"}) {
      if (!ended) {
        const auto some = cut.pass(write);
        seen += some.bytes;
        ended = some.cut;
      }
      if (!hung) {
        const auto some = silent.pass(write);
        heard += some.bytes;
        hung = some.half_open;
      }
    }
    EXPECT_EQ(seen, std::string("abcdefghij").substr(0, at)) << at;
    EXPECT_EQ(heard, seen) << at;
    EXPECT_TRUE(ended && hung) << at;
  }
}

TEST(FaultyAnswer, WithoutAFaultOfItsOwnDoesNothing) {
  EXPECT_FALSE(FaultyAnswer({}).does_anything());
  EXPECT_FALSE(FaultyAnswer({FaultDelay{}, FaultRestore{}, FaultAnswer{}}).does_anything());
  EXPECT_TRUE(FaultyAnswer({FaultCut{1}}).does_anything());
}

}  // namespace
}  // namespace podkeeper::simkube
