#include "pkg/http/chunked.h"

#include <gtest/gtest.h>

#include <string>

namespace podkeeper::http {
namespace {

constexpr std::string_view kBody =
    "5\r\nhello\r\n7;name=\"value\"\r\n, world\r\n0001\r\n!\r\n0;last\r\nX-Remote-User: "
    "admin\r\nX: y\r\n\r\n";

/// What a body decodes to when it comes in these two pieces; "fault" and "partial" for what is not
/// a whole body.
std::string decode(std::string_view first, std::string_view second) {
  ChunkDecoder decoder;
  std::string data;
  for (const std::string_view piece : {first, second}) {
    const auto used = decoder.feed(piece, data);
    if (!used) return "fault";
    if (*used != piece.size()) return data + "|" + std::string(piece.substr(*used));
  }
  return decoder.done() ? data : "partial";
}

TEST(ChunkDecoder, DropsExtensionsAndTrailersAndKeepsTheData) {
  EXPECT_EQ(decode(kBody, ""), "hello, world!");
}

TEST(ChunkDecoder, GivesTheSameForEveryCut) {
  for (std::size_t cut = 0; cut <= kBody.size(); ++cut) {
    EXPECT_EQ(decode(kBody.substr(0, cut), kBody.substr(cut)), "hello, world!") << cut;
  }
  ChunkDecoder decoder;
  std::string data;
  for (const char c : kBody) ASSERT_TRUE(decoder.feed({&c, 1}, data).has_value());
  EXPECT_TRUE(decoder.done());
  EXPECT_EQ(data, "hello, world!");
}

TEST(ChunkDecoder, IsNotDoneBeforeTheLastByte) {
  for (std::size_t cut = 0; cut < kBody.size(); ++cut) {
    EXPECT_EQ(decode(kBody.substr(0, cut), ""), "partial") << cut;
  }
}

TEST(ChunkDecoder, StopsAtTheEndOfTheBody) {
  EXPECT_EQ(decode("0\r\n\r\nHTTP/1.1 200", ""), "|HTTP/1.1 200");
}

TEST(ChunkDecoder, RefusesWhatIsNotAChunk) {
  for (const std::string_view text :
       {"\r\n", "x\r\n", "-1\r\n", "+1\r\na", " 1\r\na", "1 \r\na", "0x1\r\na", "1\na\r\n",
        "1\r\nab\r\n", "1\r\na\n0\r\n\r\n", "1\r\na0\r\n\r\n", "0\r\n X: folded\r\n\r\n",
        "0\r\nX: \x01\r\n\r\n", "ffffffffffffffff\r\n", "1000000000000000\r\n", ";a\r\n",
        "1;\n\r\n"}) {
    EXPECT_EQ(decode(text, ""), "fault") << text;
  }
}

TEST(ChunkDecoder, BoundsExtensionsAndTrailers) {
  const std::string extension = "1;" + std::string(ChunkDecoder::kExtensionBytesMax, 'e');
  EXPECT_EQ(decode(extension, ""), "partial");
  EXPECT_EQ(decode(extension, "e"), "fault");
  const std::string trailer = "0\r\nX:" + std::string(ChunkDecoder::kTrailerBytesMax - 2, 't');
  EXPECT_EQ(decode(trailer, ""), "partial");
  EXPECT_EQ(decode(trailer, "t"), "fault");
  // A trailer field of 65,536 bytes is what makes Beast's own reader throw.
  EXPECT_EQ(decode("0\r\nX: " + std::string(70'000, 't') + "\r\n\r\n", ""), "fault");
}

}  // namespace
}  // namespace podkeeper::http
