#include "pkg/simkube/protobuf_body.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

#include "tests/simkube/support/simulated.h"

namespace podkeeper::simkube {
namespace {

/// A field with a length; all lengths here are below 128.
std::string field(unsigned number, std::string_view bytes) {
  return std::string{static_cast<char>((number << 3U) | 2U), static_cast<char>(bytes.size())} +
         std::string(bytes);
}
std::string number(unsigned which, unsigned value) {
  return {static_cast<char>(which << 3U), static_cast<char>(value)};
}
std::string entry(std::string_view key, std::string_view value) {
  return field(1, key) + field(2, value);
}
std::string enveloped(std::string_view kind, std::string_view raw) {
  return std::string("k8s\0", 4) + field(1, field(1, "v1") + field(2, kind)) + field(2, raw);
}

/// As client-go writes it: texts that are not set are there, and empty.
std::string release() {
  const std::string metadata = field(1, "sh.helm.release.v1.x") + field(2, "") + field(4, "") +
                               field(8, "") + field(11, entry("owner", "helm")) +
                               field(14, "keep/it") + number(7, 0);
  return enveloped("Secret", field(1, metadata) + field(2, entry("release", "H4s\xff")) +
                                 field(3, "helm.sh/release.v1"));
}

TEST(ProtobufBody, ASecretIsTheJsonThatItWouldHaveBeen) {
  const auto object = decode_protobuf(release());
  ASSERT_TRUE(object.has_value());
  EXPECT_EQ(object->dump(),
            R"({"kind":"Secret","apiVersion":"v1","metadata":{"name":"sh.helm.release.v1.x",)"
            R"("labels":{"owner":"helm"},"finalizers":["keep/it"]},)"
            R"("data":{"release":"SDRz/w=="},"type":"helm.sh/release.v1"})");
}

TEST(ProtobufBody, NumbersTruthsAndMessagesNest) {
  const auto options =
      decode_protobuf(enveloped("DeleteOptions", number(1, 0) + field(2, field(1, "a-uid"))));
  ASSERT_TRUE(options.has_value());
  EXPECT_EQ((*options)["gracePeriodSeconds"], 0);
  EXPECT_EQ((*options)["preconditions"]["uid"], "a-uid");
  const auto account = decode_protobuf(enveloped(
      "ServiceAccount", field(3, field(1, "a")) + field(3, field(1, "b")) + number(4, 0)));
  ASSERT_TRUE(account.has_value());
  EXPECT_EQ((*account)["imagePullSecrets"].dump(), R"([{"name":"a"},{"name":"b"}])");
  EXPECT_EQ((*account)["automountServiceAccountToken"], false);
}

TEST(ProtobufBody, ADeploymentHasItsTemplate) {
  const auto container = field(1, "nginx") + field(2, "nginx:1") + field(5, "") +
                         field(6, number(2, 0) + number(3, 80));
  const auto spec =
      number(1, 2) + field(2, field(1, entry("app", "d"))) +
      field(3, field(1, field(11, entry("app", "d"))) + field(2, field(2, container)));
  const auto object =
      decode_protobuf(enveloped("Deployment", field(1, field(1, "d")) + field(2, spec)));
  ASSERT_TRUE(object.has_value());
  EXPECT_EQ((*object)["spec"].dump(), R"({"replicas":2,"selector":{"matchLabels":{"app":"d"}},)"
                                      R"("template":{"metadata":{"labels":{"app":"d"}},)"
                                      R"("spec":{"containers":[{"name":"nginx","image":"nginx:1",)"
                                      R"("ports":[{"containerPort":80}]}]}}})");
}

TEST(ProtobufBody, WhatIsCutOrOfAnotherKindIsAnError) {
  const auto whole = release();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const auto cut = decode_protobuf(std::string_view(whole).substr(0, length));
    EXPECT_FALSE(cut.has_value() && cut->contains("metadata")) << length;
  }
  const auto pod = decode_protobuf(enveloped("Pod", ""));
  ASSERT_FALSE(pod.has_value());
  EXPECT_EQ(pod.error(), ProtobufFault::kUnknownKind);
  EXPECT_FALSE(decode_protobuf(enveloped("Secret", "\x0f")).has_value());
  EXPECT_FALSE(decode_protobuf(enveloped("Secret", std::string(11, '\xff'))).has_value());
}

TEST(ProtobufBody, ClientsWriteAndDeleteByIt) {
  Simulated simulated;
  const std::string secrets = "/api/v1/namespaces/shop/secrets";
  const std::string type(kProtobufType);
  ASSERT_EQ(simulated.ask("POST", secrets, release(), type).status, 201);
  const auto one = secrets + "/sh.helm.release.v1.x";
  EXPECT_EQ(simulated.get(one)["data"]["release"], "SDRz/w==");
  EXPECT_EQ(simulated.ask("PUT", one, release(), type).status, 200);
  const auto other = enveloped("DeleteOptions", field(2, field(1, "another-uid")));
  EXPECT_EQ(simulated.ask("DELETE", one, other, type).status, 409);
  EXPECT_EQ(simulated.ask("DELETE", one, enveloped("DeleteOptions", ""), type).status, 200);
  EXPECT_EQ(simulated.ask("POST", secrets, enveloped("Pod", ""), type).status, 415);
  EXPECT_EQ(simulated.ask("POST", secrets, "nonsense", type).status, 400);
  EXPECT_EQ(simulated.ask("POST", secrets, enveloped("ConfigMap", ""), type).status, 400);
}

}  // namespace
}  // namespace podkeeper::simkube
