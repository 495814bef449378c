#include "pkg/settings/settings.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cctype>
#include <map>
#include <string>

namespace podkeeper::settings {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;
using Values = std::map<std::string, std::string>;

/// `--api_bind_address` is accepted for `--api-bind-address`, as Kubernetes' components do.
std::string normalized(std::string argument) {
  if (!argument.starts_with("--")) return argument;
  const auto end =
      argument.begin() + static_cast<std::ptrdiff_t>(std::min(argument.find('='), argument.size()));
  std::replace(argument.begin() + 2, end, '_', '-');
  return argument;
}

std::string variable_name(std::string_view flag) {
  std::string name = "PODKEEPER_";
  for (const char c : flag) {
    name.push_back(c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
  }
  return name;
}

void add_settings(CLI::App& app, Values& values) {
  for (const SettingInfo& info : all_settings()) {
    const std::string name = info.name;
    const std::string flag = name == "v" ? "-v" : "--" + name;
    const auto keep = [&values, name](const std::string& text) { values[name] = text; };
    if (*info.value == '\0') {
      app.add_flag_function(
          flag, [keep](std::int64_t count) { keep(count > 0 ? "true" : "false"); }, info.help);
    } else {
      app.add_option_function<std::string>(flag, keep, info.help)
          ->type_name(info.value)
          ->take_last()
          ->default_str(info.get(Settings{}));
    }
  }
}

Result<void> apply(Settings& settings, const SettingInfo& info, const std::string& text,
                   const std::string& source) {
  if (auto ok = info.set(settings, text); !ok) {
    return Error{ErrorCode::kInvalidArgument, source + ": " + ok.error().message};
  }
  return {};
}

struct Layers {
  std::string path;  ///< of the configuration file; empty: none
  std::string file;
  Values variables;
  Values flags;
};

/// Lays file, environment and flags over `settings`, the strongest last.
Result<Settings> lay(const Layers& layers, Settings settings) {
  if (!layers.path.empty()) {
    if (auto ok = apply_config(settings, layers.file, layers.path); !ok) return ok.error();
  }
  for (const SettingInfo& info : all_settings()) {
    if (const auto it = layers.variables.find(info.name); it != layers.variables.end()) {
      if (auto ok = apply(settings, info, it->second, variable_name(info.name)); !ok)
        return ok.error();
    }
    if (const auto it = layers.flags.find(info.name); it != layers.flags.end()) {
      const std::string flag = std::string(it->first == "v" ? "-" : "--") + it->first;
      if (auto ok = apply(settings, info, it->second, flag); !ok) return ok.error();
    }
  }
  return settings;
}

Result<Settings> layered(Values flags, Environment environment, base::Files& files) {
  Layers layers{.path = {}, .file = {}, .variables = {}, .flags = std::move(flags)};
  for (const SettingInfo& info : all_settings()) {
    const char* value = environment(variable_name(info.name).c_str());
    if (value != nullptr) layers.variables[info.name] = value;
  }
  if (const auto it = layers.variables.find("config"); it != layers.variables.end())
    layers.path = it->second;
  if (const auto it = layers.flags.find("config"); it != layers.flags.end())
    layers.path = it->second;
  if (!layers.path.empty()) {
    auto text = files.read(layers.path, kConfigBytesMax);
    if (!text) return Error{ErrorCode::kInvalidArgument, "--config: " + text.error().message};
    layers.file = std::move(*text);
  }
  auto settings = lay(layers, Settings{});
  // --standalone changes defaults, and may itself come from any layer.
  if (settings && settings->standalone) settings = lay(layers, standalone_defaults());
  return settings;
}

/// CLI11's message without its line breaks, with the way out.
Error refusal(const CLI::ParseError& e) {
  std::string message = e.what();
  std::replace(message.begin(), message.end(), '\n', ' ');
  return {ErrorCode::kInvalidArgument, message + "; see podkeeperd --help"};
}

}  // namespace

Result<Command> parse_command(std::span<const char* const> arguments, Environment environment,
                              base::Files& files) {
  CLI::App app("podkeeper keeps a read replica of a Kubernetes cluster's state.", "podkeeperd");
  app.fallthrough();
  app.require_subcommand(0, 1);
  bool show_version = false;
  std::string output;
  std::string config_file;
  Values flags;
  app.add_flag("--version", show_version, "Print the version.");
  add_settings(app, flags);
  app.add_subcommand("serve", "Mirror, reconcile and answer (the default).");
  auto* version = app.add_subcommand("version", "Print the version.");
  version->add_option("-o", output, "json")->check(CLI::IsMember({"json"}));
  auto* validate = app.add_subcommand("validate-config", "Check a configuration file.");
  validate->add_option("FILE", config_file, "The file.")->required();
  auto* healthcheck = app.add_subcommand(
      "healthcheck", "Ask a running podkeeperd's /readyz; exit 0 when it is ready.");

  std::vector<std::string> reversed;  // the order CLI11 takes a vector in
  for (const char* argument : arguments) reversed.insert(reversed.begin(), normalized(argument));
  Command command;
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    command.kind = Command::Kind::kHelp;
    command.text = app.help();
    return command;
  } catch (const CLI::ParseError& e) {
    return refusal(e);
  }
  if (show_version || version->parsed()) {
    command.kind = Command::Kind::kVersion;
    command.json = output == "json";
    return command;
  }
  if (validate->parsed()) {
    command.kind = Command::Kind::kValidateConfig;
    flags["config"] = config_file;
  }
  if (healthcheck->parsed()) command.kind = Command::Kind::kHealthcheck;
  auto settings = layered(std::move(flags), environment, files);
  if (!settings) return settings.error();
  command.settings = std::move(*settings);
  if (command.kind == Command::Kind::kServe) {
    if (auto ok = check(command.settings); !ok) return ok.error();
  }
  return command;
}

}  // namespace podkeeper::settings
