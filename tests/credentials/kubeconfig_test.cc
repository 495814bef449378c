#include "pkg/credentials/kubeconfig.h"

#include "pkg/credentials/base64.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace podkeeper::credentials {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

constexpr const char* kWhole = R"(apiVersion: v1
kind: Config
current-context: prod
preferences: {}
clusters:
- name: one
  cluster:
    server: https://api.example.com:6443/k8s/clusters/c-1/
    certificate-authority-data: Q0EK
    tls-server-name: kubernetes
    disable-compression: true
- name: two
  cluster: {server: "http://127.0.0.1:8001"}
users:
- name: admin
  user: {client-certificate: pki/admin.crt, client-key-data: S0VZCg==}
- name: robot
  user: {token: abc.def, tokenFile: /run/token}
- name: nobody
  user: {}
contexts:
- name: prod
  context: {cluster: one, user: admin, namespace: shop}
- name: robot
  context: {cluster: one, user: robot}
- name: plain
  context: {cluster: two, user: nobody}
)";

base::Result<ClusterAccess> read(const std::string& text, std::string_view context = "") {
  const std::vector<KubeconfigFile> files{{"/etc/pk/config", text}};
  return read_kubeconfig(files, context);
}

/// A kubeconfig with one context, of these cluster and user.
std::string with(const std::string& cluster, const std::string& user) {
  return "current-context: c\nclusters:\n- {name: k, cluster: {" + cluster +
         "}}\nusers:\n- {name: u, user: {" + user +
         "}}\ncontexts:\n- {name: c, context: {cluster: k, user: u}}\n";
}
std::string with_user(const std::string& user) { return with("server: 'https://h'", user); }

std::string refusal(const std::string& text, std::string_view context = "") {
  const auto access = read(text, context);
  return access ? "accepted" : access.error().message;
}

TEST(Kubeconfig, GivesWhatTheCurrentContextDescribes) {
  const auto access = read(kWhole);
  ASSERT_TRUE(access) << access.error().message;
  EXPECT_EQ(access->source, "kubeconfig /etc/pk/config, context \"prod\"");
  EXPECT_EQ(to_string(access->server), "https://api.example.com:6443/k8s/clusters/c-1");
  EXPECT_EQ(access->authority.data, "CA\n");
  EXPECT_EQ(access->tls_server_name, "kubernetes");
  EXPECT_TRUE(access->disable_compression);
  EXPECT_FALSE(access->insecure_skip_tls_verify);
  EXPECT_EQ(access->certificate.file, "/etc/pk/pki/admin.crt");
  EXPECT_EQ(access->key.data, "KEY\n");
  EXPECT_EQ(access->namespace_, "shop");
}

TEST(Kubeconfig, TakesTheContextThatIsAskedFor) {
  const auto robot = read(kWhole, "robot");
  ASSERT_TRUE(robot) << robot.error().message;
  EXPECT_EQ(robot->token, "abc.def");
  EXPECT_EQ(robot->token_file, "/run/token");
  EXPECT_TRUE(robot->certificate.empty());
  const auto plain = read(kWhole, "plain");
  ASSERT_TRUE(plain) << plain.error().message;
  EXPECT_FALSE(plain->server.tls);
  EXPECT_EQ(base::to_string(plain->server.endpoint), "127.0.0.1:8001");
}

TEST(Kubeconfig, ReadsAnExecPluginWholly) {
  const auto access = read(with(
      "server: 'https://[::1]', extensions: [{name: client.authentication.k8s.io/exec, "
      "extension: {audience: \"7\", depth: 3, on: true}}]",
      "exec: {apiVersion: client.authentication.k8s.io/v1, command: bin/login, args: [a, \"b c\"], "
      "env: [{name: REGION, value: eu}], installHint: get it, provideClusterInfo: true, "
      "interactiveMode: IfAvailable}"));
  ASSERT_TRUE(access) << access.error().message;
  ASSERT_TRUE(access->exec);
  EXPECT_EQ(to_string(access->server), "https://[::1]:443");
  EXPECT_EQ(access->exec->command, "/etc/pk/bin/login");
  EXPECT_THAT(access->exec->arguments, ElementsAre("a", "b c"));
  EXPECT_THAT(access->exec->environment, ElementsAre(Pair("REGION", "eu")));
  EXPECT_EQ(access->exec->install_hint, "get it");
  EXPECT_EQ(access->exec->cluster_config, R"({"audience":"7","depth":3,"on":true})");
}

TEST(Kubeconfig, FindsABareCommandByPath) {
  const auto access = read(with_user(
      "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: aws, args: [eks]}"));
  ASSERT_TRUE(access) << access.error().message;
  EXPECT_EQ(access->exec->command, "aws");
  EXPECT_EQ(access->exec->cluster_config, "");
}

TEST(Kubeconfig, IsReadAsJsonToo) {
  const auto access =
      read(R"({"kind":"Config","apiVersion":"v1","current-context":"c","clusters":[{"name":"k",)"
           R"("cluster":{"server":"https://h:1"}}],"users":null,)"
           R"("contexts":[{"name":"c","context":{"cluster":"k","user":""}}]})");
  ASSERT_TRUE(access) << access.error().message;
  EXPECT_EQ(base::to_string(access->server.endpoint), "h:1");
}

TEST(Kubeconfig, TakesBase64OverSeveralLines) {
  const auto access = read(
      "current-context: c\nclusters:\n- name: k\n  cluster:\n    server: https://h\n"
      "    certificate-authority-data: |\n      Q0\n      EK\n"
      "contexts:\n- {name: c, context: {cluster: k}}\n");
  ASSERT_TRUE(access) << access.error().message;
  EXPECT_EQ(access->authority.data, "CA\n");
}

TEST(Kubeconfig, TheFirstFileWinsAndNothingOfALaterNamesakeIsUsed) {
  const std::vector<KubeconfigFile> files{
      {"/a/one", "current-context: c\nusers:\n- {name: u, user: {tokenFile: t}}\n"},
      {"/b/two",
       "current-context: other\nclusters:\n- {name: k, cluster: {server: 'https://h'}}\n"
       "users:\n- {name: u, user: {token: second}}\n"
       "contexts:\n- {name: c, context: {cluster: k, user: u}}\n"},
      {"/c/three", ""}};
  const auto access = read_kubeconfig(files, "");
  ASSERT_TRUE(access) << access.error().message;
  EXPECT_EQ(access->token_file, "/a/t") << "relative to the file it stands in";
  EXPECT_EQ(access->token, "");
  EXPECT_EQ(access->source, "kubeconfig /b/two, context \"c\"");
}

TEST(Kubeconfig, RefusesByNameWhatIsNotSupported) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {with_user("auth-provider: {name: gcp}"), "auth-provider is not supported"},
      {with_user("username: me"), "username is not supported"},
      {with_user("password: secret-word"), "password is not supported"},
      {with_user("token: t, as: root"), "as is not supported"},
      {with_user("token: t, as-uid: '1'"), "as-uid is not supported"},
      {with_user("token: t, as-groups: [a]"), "as-groups is not supported"},
      {with_user("token: t, as-user-extra: {a: [b]}"), "as-user-extra is not supported"},
      {with("server: 'https://h', proxy-url: 'http://p'", ""), "proxy-url is not supported"},
      {with_user("exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}"),
       "v1alpha1"},
      {with_user("exec: {apiVersion: client.authentication.k8s.io/v1, command: x, "
                 "interactiveMode: Always}"),
       "no terminal"},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_THAT(refusal(text),
                AllOf(HasSubstr(expected), HasSubstr("kubeconfig /etc/pk/config:"),
                      HasSubstr("(context \"c\")"), HasSubstr(";"), Not(HasSubstr("secret-word"))));
  }
}

TEST(Kubeconfig, LetsOtherContextsHaveWhatIsNotSupported) {
  EXPECT_EQ(refusal(with_user("token: t") + "users2: []\n"), "accepted");
  const std::string text =
      std::string(kWhole) + "- name: old\n  context: {cluster: one, user: o}\n";
  EXPECT_TRUE(read(text));
  EXPECT_THAT(refusal(text, "old"), HasSubstr("\"o\" is not in the list; there are: \"admin\""));
}

TEST(Kubeconfig, RefusesWhatContradictsItselfOrIsMalformed) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "current-context is not set; give --context; there are: none"},
      {"current-context: [", "is not valid YAML"},
      {"- a", "is not a mapping"},
      {"kind: Pod", "kind is \"Pod\", not Config"},
      {"apiVersion: v2", "apiVersion is \"v2\", not v1"},
      {"clusters: {}", "clusters is not a list"},
      {"clusters:\n- {cluster: {}}", "has no name"},
      {"users:\n- {name: a}\n- {name: a}", "\"a\" is given twice"},
      {"current-context: x", "there is no context \"x\"; there are: none"},
      {"current-context: c\ncontexts: [{name: c, context: {}}]", "cluster is missing"},
      {with("", ""), "server is missing"},
      {with("server: 'h:1'", ""), "does not begin with https://"},
      {with("server: 'https://'", ""), "the host is missing"},
      {with("server: 'https://u:secret-word@h'", ""), "a user in the URL"},
      {with("server: 'https://h?x'", ""), "the host has characters"},
      {with("server: 'https://h/a b'", ""), "the path has characters"},
      {with("server: 'https://h:0'", ""), "the port is 0"},
      {with("server: 'https://h:99999'", ""), "the port is not a number"},
      {with(R"(server: "https://h\0.evil")", ""), "server has a control character"},
      {with(R"(server: 'https://h', tls-server-name: "a\0b")", ""),
       "tls-server-name has a control"},
      {with("server: 'https://h', insecure-skip-tls-verify: maybe", ""), "neither true nor false"},
      {with("server: 'https://h', insecure-skip-tls-verify: true, certificate-authority: a", ""),
       "contradicts the certificate-authority"},
      {with("server: 'https://h', certificate-authority: a, certificate-authority-data: Q0EK", ""),
       "are both given"},
      {with("server: 'https://h', certificate-authority-data: '%%'", ""), "is not base64"},
      {with("server: 'http://h'", "token: t"), "for everybody to read"},
      {with_user("client-certificate: a"), "is given alone"},
      {with_user("client-key: a"), "is given alone"},
      {with_user(R"(token: "secret-word\r\nX: y")"), "token has a control character"},
      {with_user("token: 'secret-word x'"), "characters that no token has"},
      {with_user("token: [a]"), "token is not a text"},
      {with_user("token: t, exec: {apiVersion: client.authentication.k8s.io/v1, command: x}"),
       "exec is given beside a token"},
      {with_user("exec: {apiVersion: client.authentication.k8s.io/v1}"), "command is missing"},
      {with_user("exec: {apiVersion: client.authentication.k8s.io/v1, command: x, args: y}"),
       "args is not a list"},
      {with_user("exec: {apiVersion: client.authentication.k8s.io/v1, command: x, "
                 "env: [{name: 'A=B'}]}"),
       "is not a variable's name"},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_THAT(refusal(text), AllOf(HasSubstr(expected), HasSubstr("/etc/pk/config"),
                                     Not(HasSubstr("secret-word"))));
  }
}

TEST(Base64, IsReadAsGoReadsIt) {
  EXPECT_EQ(base64_decoded(""), "");
  EXPECT_EQ(base64_decoded("YQ=="), "a");
  EXPECT_EQ(base64_decoded("YWI="), "ab");
  EXPECT_EQ(base64_decoded("YW\r\nJj"), "abc");
  for (const char* wrong :
       {"Y", "YQ", "YQ=", "YQ= =", "=YQ=", "Y===", "YQ==YQ==", " YQ==", "Y-_="}) {
    EXPECT_EQ(base64_decoded(wrong), std::nullopt) << wrong;
  }
  EXPECT_EQ(base64_encoded(std::string("a\0b", 3)), "YQBi");
  EXPECT_EQ(base64_encoded(""), "");
}

}  // namespace
}  // namespace podkeeper::credentials
