#include "pkg/tls/client_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/tls/peer/certificates.h"

namespace podkeeper::tls {
namespace {

using ::testing::HasSubstr;

std::string refusal(const ClientContextOptions& options) {
  const auto context = ClientContext::make(options);
  return context ? "accepted" : context.error().message;
}

TEST(ClientContext, SaysWhatIsWrongWithWhichPem) {
  const auto mine = testing::make_certificate({});
  const auto other = testing::make_certificate({});
  const std::string cut = mine.certificate.substr(0, mine.certificate.size() / 2);
  const std::string locked =
      "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
  const std::vector<std::pair<ClientContextOptions, std::string>> cases = {
      {{.authorities = "hello"}, "the certificate authority has no certificate"},
      {{.authorities = cut}, "the certificate authority has no certificate"},
      {{.authorities = mine.certificate + cut}, "broken after its certificate 1"},
      {{.certificate = mine.key, .key = mine.key}, "the client certificate has no certificate"},
      {{.certificate = mine.certificate, .key = mine.certificate}, "no private key"},
      {{.certificate = mine.certificate, .key = locked},
       "no private key in PEM form, or it is enc"},
      {{.certificate = mine.certificate, .key = other.key}, "not that of the client certificate"},
  };
  for (const auto& [options, expected] : cases) EXPECT_THAT(refusal(options), HasSubstr(expected));
}

TEST(ClientContext, TakesABundleWithTextAroundItsCertificates) {
  const auto one = testing::make_certificate({});
  EXPECT_EQ(
      refusal({.authorities = "# mine\n" + one.certificate + "\n# again\n" + one.certificate}),
      "accepted");
  EXPECT_EQ(refusal({}), "accepted") << "the system's authorities";
}

}  // namespace
}  // namespace podkeeper::tls
