#include "pkg/credentials/sources.h"

#include "pkg/runtime/simulated_world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace podkeeper::credentials {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string config(const std::string& host) {
  return "current-context: c\nclusters:\n- {name: k, cluster: {server: 'https://" + host +
         "'}}\ncontexts:\n- {name: c, context: {cluster: k}}\n";
}

class SourcesTest : public testing::Test {
 protected:
  SourcesTest() : world_(1) {
    world_.put_file("/flag", config("flag"));
    world_.put_file("/variable", config("variable"));
    world_.put_file("/home/me/.kube/config", config("home"));
    const std::string folder = kServiceAccountFolder;
    world_.put_file(folder + "/token", "t");
    world_.put_file(folder + "/ca.crt", "CA");
    world_.put_file(folder + "/namespace", "watchers\n");
  }
  std::string host(const Sources& sources) {
    const auto access = find_access(sources, world_.files());
    return access ? access->server.endpoint.host : access.error().message;
  }
  runtime::SimulatedWorld world_;
  Sources all_{.kubeconfig = "/flag",
               .context = {},
               .kubeconfig_variable = "/variable",
               .home = "/home/me",
               .service_host = "10.0.0.1",
               .service_port = "443"};
};

TEST_F(SourcesTest, AFlagBeatsKUBECONFIGBeatsThePodBeatsTheHomeFolder) {
  EXPECT_EQ(host(all_), "flag");
  all_.kubeconfig.clear();
  EXPECT_EQ(host(all_), "variable");
  all_.kubeconfig_variable.clear();
  EXPECT_EQ(host(all_), "10.0.0.1");
  all_.service_port.clear();
  EXPECT_EQ(host(all_), "home");
  all_.home.clear();
  EXPECT_THAT(host(all_), HasSubstr("--standalone"));
}

TEST_F(SourcesTest, WhatIsGivenButMissingIsNotPassedOver) {
  all_.kubeconfig = "/gone";
  EXPECT_THAT(host(all_), HasSubstr("--kubeconfig: "));
  all_.kubeconfig.clear();
  all_.kubeconfig_variable = "/gone:/gone2";
  EXPECT_THAT(host(all_), HasSubstr("KUBECONFIG=/gone:/gone2: no such file"));
}

TEST_F(SourcesTest, FilesOfKUBECONFIGThatDoNotExistAreSkippedAndTold) {
  all_.kubeconfig.clear();
  all_.kubeconfig_variable = "/gone::/variable:/variable:/flag";
  const auto access = find_access(all_, world_.files());
  ASSERT_TRUE(access) << access.error().message;
  EXPECT_EQ(access->server.endpoint.host, "variable");
  EXPECT_THAT(access->skipped, ElementsAre("/gone"));
}

TEST_F(SourcesTest, APodHasItsTokenItsAuthorityAndItsNamespace) {
  all_.kubeconfig.clear();
  all_.kubeconfig_variable.clear();
  all_.service_host = "fd00::1";
  const auto access = find_access(all_, world_.files());
  ASSERT_TRUE(access) << access.error().message;
  EXPECT_EQ(to_string(access->server), "https://[fd00::1]:443");
  EXPECT_EQ(access->namespace_, "watchers");
  EXPECT_EQ(access->token_file, "/var/run/secrets/kubernetes.io/serviceaccount/token");
  EXPECT_EQ(access->authority.file, "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt");
}

TEST_F(SourcesTest, APodWithoutAServiceAccountIsTold) {
  runtime::SimulatedWorld bare(1);
  const auto access = in_cluster_access(all_, bare.files());
  ASSERT_FALSE(access);
  EXPECT_THAT(access.error().message, HasSubstr("automountServiceAccountToken"));
}

TEST_F(SourcesTest, APodHasNoContexts) {
  all_.kubeconfig.clear();
  all_.kubeconfig_variable.clear();
  all_.context = "prod";
  EXPECT_THAT(host(all_), HasSubstr("--context=prod"));
}

}  // namespace
}  // namespace podkeeper::credentials
