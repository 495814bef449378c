#include "pkg/settings/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace podkeeper::settings {
namespace {

using testing::HasSubstr;
using testing::Not;

std::map<std::string, std::string> g_environment;
const char* environment(const char* name) {
  const auto it = g_environment.find(name);
  return it == g_environment.end() ? nullptr : it->second.c_str();
}

class MemoryFiles final : public base::Files {
 public:
  std::map<std::string, std::string> files;
  base::Result<std::string> read(const std::string& path, std::size_t) override {
    const auto it = files.find(path);
    if (it == files.end()) return base::Error{base::ErrorCode::kNotFound, path + ": no such file"};
    return it->second;
  }
};

class SettingsTest : public testing::Test {
 protected:
  void SetUp() override { g_environment.clear(); }
  base::Result<Command> parse(std::vector<const char*> arguments) {
    return parse_command(arguments, environment, files_);
  }
  std::string refusal(std::vector<const char*> arguments) {
    const auto command = parse(std::move(arguments));
    return command ? "accepted" : command.error().message;
  }
  MemoryFiles files_;
};

TEST_F(SettingsTest, StandaloneListensOnLoopbackWithoutAuthentication) {
  const auto command = parse({"--standalone"});
  ASSERT_TRUE(command) << command.error().message;
  EXPECT_EQ(command->kind, Command::Kind::kServe);
  EXPECT_EQ(command->settings.api_bind_address, "127.0.0.1:8080");
  EXPECT_EQ(command->settings.health_probe_bind_address, "127.0.0.1:8081");
  EXPECT_EQ(command->settings.auth_mode, AuthMode::kNone);
}

TEST_F(SettingsTest, AFlagBeatsAVariableBeatsTheFileBeatsTheDefault) {
  files_.files["c.yaml"] =
      "apiVersion: config.podkeeper.dev/v1alpha1\nkind: PodkeeperConfiguration\n"
      "standalone: true\nsimNodes: 1\nsimPods: 1\nsimChurn: 1\n";
  g_environment["PODKEEPER_SIM_PODS"] = "2";
  g_environment["PODKEEPER_SIM_CHURN"] = "2";
  const auto command = parse({"--config=c.yaml", "--sim-churn", "3"});
  ASSERT_TRUE(command) << command.error().message;
  EXPECT_EQ(command->settings.sim_seed, Settings{}.sim_seed);
  EXPECT_EQ(command->settings.sim_nodes, 1);
  EXPECT_EQ(command->settings.sim_pods, 2);
  EXPECT_EQ(command->settings.sim_churn, 3);
}

TEST_F(SettingsTest, AcceptsUnderscoresAndBothWaysToGiveAValue) {
  const auto command =
      parse({"serve", "--standalone=true", "--sim_pods=7", "--api_bind_address", "127.0.0.1:0",
             "-v", "2", "--history-bytes=1MiB", "--memory-limit=2Gi"});
  ASSERT_TRUE(command) << command.error().message;
  EXPECT_EQ(command->settings.sim_pods, 7);
  EXPECT_EQ(command->settings.api_bind_address, "127.0.0.1:0");
  EXPECT_EQ(command->settings.verbosity, 2);
  EXPECT_EQ(command->settings.history_bytes, 1 << 20);
  EXPECT_EQ(command->settings.memory_limit, std::int64_t{2} << 30);
}

TEST_F(SettingsTest, RefusesInOneLineThatNamesTheSettingAndTheWayOut) {
  const std::vector<std::pair<std::vector<const char*>, std::vector<const char*>>> cases = {
      {{"--standalon"}, {"--standalon", "--help"}},
      {{"--standalone", "--apiserver=http://a:1"}, {"--standalone", "exclude each other"}},
      {{"--standalone", "--kubeconfig=/k"}, {"--kubeconfig=/k", "exclude each other"}},
      {{"--apiserver=http://a:1", "--context=c"}, {"--context=c", "exclude each other"}},
      {{"--kube-api-qps=0"}, {"--kube-api-qps", "1 to 100000"}},
      {{"--apiserver=ftp://a:1", "--auth-mode=None"}, {"ftp://a:1", "http://"}},
      {{"--apiserver=https://a:1"}, {"TLS", "--kubeconfig"}},
      {{"--apiserver=http://a"}, {"http://a", "port"}},
      {{"--apiserver=http://a:1"}, {"Delegated", "--auth-mode=None"}},
      {{"--apiserver=http://a:1", "--auth-mode=None"}, {":6443", "loopback"}},
      {{"--standalone", "--api-bind-address=0.0.0.0:8080"}, {"0.0.0.0:8080", "loopback"}},
      {{"--standalone", "--api-bind-address=127.0.0.1"}, {"--api-bind-address", "port"}},
      {{"--standalone", "--sim-bind-address=0.0.0.0:8082"}, {"0.0.0.0:8082", "loopback"}},
      {{"--standalone", "--sim-bind-address=0"}, {"--sim-bind-address=0", "127.0.0.1:8082"}},
      {{"--standalone", "--sim-pods=many"}, {"--sim-pods", "many", "whole number"}},
      {{"--standalone", "--sim-pods=-1"}, {"--sim-pods", "-1"}},
      {{"--standalone", "--history-bytes=1Z"}, {"--history-bytes", "1Z", "64MiB"}},
      {{"--standalone", "--request-timeout=5"}, {"--request-timeout", "5", "90s"}},
      {{"--standalone", "--request-timeout=335544331m"}, {"335544331m", "8760h"}},
      {{"--standalone", "--request-timeout=8760h1ms"}, {"8760h1ms", "8760h"}},
      {{"--standalone", "--watch-idle-timeout=10ms"}, {"--watch-idle-timeout"}},
      {{"--standalone", "--audit-interval=10ms"}, {"--audit-interval", "60s"}},
      {{"--standalone", "--logging-format=xml"}, {"--logging-format", "xml", "json"}},
      {{"--standalone", "--resources=pods"}, {"nodes"}},
      {{"--standalone", "--drop-fields=spec"}, {"--drop-fields", "spec"}},
      {{"--standalone", "--feature-gates=Speed=true"}, {"--feature-gates", "Speed=true"}},
      {{"--standalone", "--feature-gates=WatchListClient"}, {"WatchListClient=true"}},
      {{"--standalone", "--config=missing.yaml"}, {"--config", "missing.yaml", "no such file"}},
      {{"--standalone", "--leader-elect", "--leader-elect-lease-duration=10s"},
       {"--leader-elect-lease-duration", "--leader-elect-renew-deadline", "15s"}},
      {{"--standalone", "--leader-elect", "--leader-elect-lease-duration=10500ms"},
       {"--leader-elect-lease-duration", "whole seconds"}},
      {{"--standalone", "--leader-elect", "--leader-elect-renew-deadline=2400ms"},
       {"--leader-elect-renew-deadline", "--leader-elect-retry-period * 1.2"}},
      {{"--standalone", "--leader-elect", "--leader-elect-retry-period=0"},
       {"--leader-elect-retry-period", "greater than zero"}},
      {{"--standalone", "--leader-elect", "--leader-elect-resource-name="},
       {"--leader-elect-resource-name"}},
      {{"--standalone", "--clean-up-terminal-pods=on"}, {"on", "Disabled, DryRun or Enabled"}},
      {{"--standalone", "--clean-up-terminal-pods=DryRun"}, {"--terminal-pod-ttl", "24h"}},
      {{"frobnicate"}, {"frobnicate"}},
  };
  for (const auto& [arguments, words] : cases) {
    const std::string message = refusal(arguments);
    EXPECT_THAT(message, Not(HasSubstr("\n")));
    for (const char* word : words) EXPECT_THAT(message, HasSubstr(word));
  }
}

TEST_F(SettingsTest, RefusesAnUnknownConfigurationKeyWithItsPathAndLine) {
  const std::string head =
      "apiVersion: config.podkeeper.dev/v1alpha1\nkind: PodkeeperConfiguration\n";
  const std::vector<std::pair<std::string, std::vector<const char*>>> cases = {
      {head + "standalon: true\n", {"c.yaml:3", ".standalon"}},
      {head + "simPods: [1, {a: b}]\n", {"c.yaml:3", ".simPods"}},
      {head + "simPods: many\n", {"c.yaml:3", ".simPods", "many"}},
      {"kind: PodkeeperConfiguration\n", {".apiVersion", "config.podkeeper.dev/v1alpha1"}},
      {"apiVersion: config.podkeeper.dev/v1alpha1\nkind: Pod\n", {".kind", "Pod"}},
      {"- 1\n", {"mapping"}},
      {"a: [\n", {"YAML"}},
  };
  for (const auto& [text, words] : cases) {
    files_.files["c.yaml"] = text;
    const std::string message = refusal({"--standalone", "--config=c.yaml"});
    for (const char* word : words) EXPECT_THAT(message, HasSubstr(word));
  }
}

TEST_F(SettingsTest, ValidateConfigChecksTheFileAndNothingElse) {
  files_.files["c.yaml"] =
      "apiVersion: config.podkeeper.dev/v1alpha1\nkind: PodkeeperConfiguration\nsimPods: 3\n";
  const auto command = parse({"validate-config", "c.yaml"});
  ASSERT_TRUE(command) << command.error().message;
  EXPECT_EQ(command->kind, Command::Kind::kValidateConfig);
  EXPECT_THAT(refusal({"validate-config"}), HasSubstr("FILE"));
}

TEST_F(SettingsTest, PrintsEverySettingInAFormItReadsBack) {
  for (const SettingInfo& info : all_settings()) {
    Settings settings;
    const std::string text = info.get(settings);
    EXPECT_TRUE(info.set(settings, text)) << info.name << "=" << text;
    EXPECT_EQ(info.get(settings), text) << info.name;
    EXPECT_STRNE(info.help, "") << info.name;
  }
}

TEST_F(SettingsTest, VersionAndHelpNeedNoUpstream) {
  EXPECT_EQ(parse({"version", "-o", "json"})->json, true);
  EXPECT_EQ(parse({"--version"})->kind, Command::Kind::kVersion);
  EXPECT_THAT(parse({"--help"})->text, HasSubstr("--api-bind-address"));
}

}  // namespace
}  // namespace podkeeper::settings
