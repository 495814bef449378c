#include "pkg/http/gzip_body.h"

#include "pkg/runtime/simulated_world.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What comes out of a packed body, however it is sliced, cut or forged.
namespace podkeeper::http {
namespace {

using Pieces = std::vector<std::string>;

/// A body that comes in these pieces.
class PiecesBody final : public ClientResponse::Body {
 public:
  explicit PiecesBody(Pieces pieces) : pieces_(std::move(pieces)) {}
  base::Task<base::Result<bool>> read_some(std::string& into) override {
    if (next_ == pieces_.size()) co_return false;
    into += pieces_[next_++];
    co_return true;
  }
  void set_deadline(base::MonotonicTime) override {}

 private:
  Pieces pieces_;
  std::size_t next_ = 0;
};

std::string packed(std::string text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string into(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(text.data());
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(into.data());
  stream.avail_out = static_cast<uInt>(into.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  into.resize(stream.total_out);
  deflateEnd(&stream);
  return into;
}

/// Text that packs to about a tenth, as lists of pods do.
std::string text_of(std::size_t bytes) {
  std::string text;
  for (std::size_t i = 0; text.size() < bytes; ++i) {
    text += R"({"metadata":{"name":"web-)" + std::to_string(i * 7919 % 10'007) + R"("}},)";
  }
  text.resize(bytes);
  return text;
}

base::Result<std::string> unpacked(Pieces pieces, std::size_t bytes_max = 64 << 20) {
  runtime::SimulatedWorld world(1);
  base::Result<std::string> text = std::string();
  world.run_task([&]() -> base::Task<void> {
    ClientResponse response;
    response.body = std::make_unique<GzipBody>(std::make_unique<PiecesBody>(std::move(pieces)));
    text = co_await response.read_all(bytes_max);
  });
  return text;
}

std::string fault(Pieces pieces) {
  const auto text = unpacked(std::move(pieces));
  if (text) return "no fault: " + *text;
  EXPECT_EQ(text.error().code, base::ErrorCode::kProtocol);
  return text.error().message.substr(text.error().message.find(": ") + 2);
}

TEST(GzipBody, GivesTheTextHoweverItIsSliced) {
  const std::string text = text_of(3'000);
  const std::string whole = packed(text);
  for (std::size_t size = 1; size <= whole.size(); ++size) {
    Pieces pieces;
    for (std::size_t at = 0; at < whole.size(); at += size)
      pieces.push_back(whole.substr(at, size));
    ASSERT_EQ(unpacked(std::move(pieces)).value(), text) << "slices of " << size << " bytes";
  }
}

TEST(GzipBody, GivesATextOfManyPiecesAndOneThatIsEmpty) {
  for (const std::size_t size : {std::size_t{0}, GzipBody::kPieceBytesMax - 1,
                                 GzipBody::kPieceBytesMax, 5 * GzipBody::kPieceBytesMax + 3}) {
    const std::string text = text_of(size);
    EXPECT_EQ(unpacked({packed(text)}).value(), text) << size;
  }
}

TEST(GzipBody, TakesSeveralMembersAsOne) {
  EXPECT_EQ(unpacked({packed("one, "), packed(""), packed("two") + packed("!")}).value(),
            "one, two!");
}

TEST(GzipBody, IsCutNowhereUnnoticed) {
  const std::string whole = packed(text_of(400));
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    ASSERT_EQ(fault({whole.substr(0, cut)}), "it ends early") << "cut after " << cut << " bytes";
  }
  EXPECT_EQ(fault({}), "it ends early");
}

TEST(GzipBody, RefusesWhatFollowsTheEnd) {
  for (const std::string& tail : {std::string("rubbish"), std::string(8, '\0')}) {
    EXPECT_EQ(fault({packed("text") + tail}), "incorrect header check");
    EXPECT_EQ(fault({packed("text"), tail}), "incorrect header check");
  }
}

TEST(GzipBody, RefusesADamagedChecksumAndWhatIsNoGzip) {
  std::string damaged = packed("text");
  damaged[damaged.size() - 6] ^= 1;
  EXPECT_EQ(fault({damaged}), "incorrect data check");
  EXPECT_EQ(fault({R"({"kind":"PodList"})"}), "incorrect header check");
}

TEST(GzipBody, GivesABombByBoundedPiecesUntilItsReaderHasEnough) {
  const std::string bomb = packed(std::string(32 << 20, ' '));
  ASSERT_LT(bomb.size(), std::size_t{64} << 10);
  runtime::SimulatedWorld world(1);
  world.run_task([&]() -> base::Task<void> {
    GzipBody body(std::make_unique<PiecesBody>(Pieces{bomb}));
    std::string text;
    const auto more = co_await body.read_some(text);
    EXPECT_TRUE(more.value());
    EXPECT_EQ(text.size(), GzipBody::kPieceBytesMax);
  });
  EXPECT_EQ(unpacked({bomb}, 1 << 20).error().code, base::ErrorCode::kTooLarge);
}

}  // namespace
}  // namespace podkeeper::http
