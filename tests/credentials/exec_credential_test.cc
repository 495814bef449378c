#include "pkg/credentials/exec_credential.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace podkeeper::credentials {
namespace {

using Variable = std::pair<std::string, std::string>;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const ExecPlugin kPlugin{.api_version = "client.authentication.k8s.io/v1",
                         .command = "pk-login",
                         .arguments = {"-v"},
                         .environment = {{"A", "b"}},
                         .install_hint = "get it\nsomewhere"};

base::Result<ExecCredential> read(std::string output, int status = 0, std::string complaint = "") {
  return read_exec_end(kPlugin, base::ProgramEnd{status, std::move(output), std::move(complaint)});
}
std::string credential(const std::string& status) {
  return R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{)" +
         status + "}}\n";
}

TEST(ExecCredential, GivesTokenCertificateAndExpiry) {
  const auto token =
      read(credential(R"("token":"abc","expirationTimestamp":"2026-11-20T10:00:00Z")"));
  ASSERT_TRUE(token) << token.error().message;
  EXPECT_EQ(token->token, "abc");
  EXPECT_EQ(token->expires->time_since_epoch(), std::chrono::seconds(1795168800));
  const auto pair = read(credential(R"("clientCertificateData":"C","clientKeyData":"K")"));
  ASSERT_TRUE(pair) << pair.error().message;
  EXPECT_EQ(pair->certificate + pair->key, "CK");
  EXPECT_FALSE(pair->expires);
}

TEST(ExecCredential, RefusesEveryOtherOutputAndShowsNothingOfIt) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "is not JSON"},
      {"secret-word", "is not JSON"},
      {credential(R"("token":"secret-word")") + "x", "is not JSON"},
      {"[]", "is not JSON"},
      {"{}", "is not an ExecCredential"},
      {R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1"})",
       "is not of client.authentication.k8s.io/v1;"},
      {R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1"})", "no status"},
      {credential(""), "neither a token nor"},
      {credential(R"("token":7)"), "is not a text"},
      {credential(R"("token":"secret-word\r\nX: y")"), "characters that no token has"},
      {credential(R"("clientCertificateData":"secret-word")"), "without its key"},
      {credential(R"("token":"secret-word","expirationTimestamp":"soon")"), "is no time"},
  };
  for (const auto& [output, expected] : cases) {
    const auto result = read(output);
    ASSERT_FALSE(result) << output;
    EXPECT_THAT(result.error().message, AllOf(HasSubstr("exec plugin pk-login: "),
                                              HasSubstr(expected), Not(HasSubstr("secret-word"))));
  }
}

TEST(ExecCredential, TellsHowThePluginFailed) {
  EXPECT_EQ(read("", 1, "no login:\tsee x\nmore").error().message,
            "exec plugin pk-login: it ended with exit code 1: no login: see x");
  const base::Error absent{base::ErrorCode::kNotFound, "start pk-login: no such program"};
  EXPECT_EQ(read_exec_end(kPlugin, absent).error().message,
            "exec plugin: start pk-login: no such program (get it)");
  const base::Error late{base::ErrorCode::kTimeout, "pk-login: it did not end in time"};
  EXPECT_EQ(read_exec_end(kPlugin, late).error().code, base::ErrorCode::kTimeout);
}

TEST(ExecProgram, TellsThePluginWhatItMayKnow) {
  ClusterAccess access;
  access.server = {.endpoint = {"api.test", 6443}};
  access.tls_server_name = "kubernetes";
  access.disable_compression = true;
  auto program = exec_program(kPlugin, access, "CA");
  EXPECT_EQ(program.command, "pk-login");
  EXPECT_EQ(program.environment.front(), Variable("A", "b"));
  EXPECT_EQ(program.environment.back(),
            Variable("KUBERNETES_EXEC_INFO",
                     R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1",)"
                     R"("spec":{"interactive":false}})"));
  ExecPlugin told = kPlugin;
  told.provide_cluster_info = true;
  told.cluster_config = R"({"audience":"x"})";
  program = exec_program(told, access, "CA");
  EXPECT_EQ(
      program.environment.back().second,
      R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1",)"
      R"("spec":{"interactive":false,"cluster":{"server":"https://api.test:6443",)"
      R"("tls-server-name":"kubernetes","disable-compression":true,"certificate-authority-data":"Q0E=",)"
      R"("config":{"audience":"x"}}}})");
}

}  // namespace
}  // namespace podkeeper::credentials
