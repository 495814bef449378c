#include "pkg/simkube/protobuf_body.h"

#include "pkg/credentials/base64.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

namespace podkeeper::simkube {
namespace {

constexpr std::string_view kMagic{"k8s\0", 4};

enum class Kind : std::uint8_t {
  kText,
  kTexts,
  kBool,
  kNumber,
  kTextMap,
  kBytesMap,  // base64 in JSON
  kMessage,
  kMessages,
  kRaw,  // a message that the caller decodes
};

struct Message;
struct Member {
  unsigned number = 0;
  const char* name = "";
  Kind kind = Kind::kText;
  const Message* message = nullptr;
};
struct Message {
  std::span<const Member> members;
};

constexpr Member kOwnerMembers[] = {
    {1, "kind"},
    {3, "name"},
    {4, "uid"},
    {5, "apiVersion"},
    {6, "controller", Kind::kBool},
    {7, "blockOwnerDeletion", Kind::kBool},
};
constexpr Message kOwner{kOwnerMembers};
constexpr Member kMetadataMembers[] = {
    {1, "name"},
    {2, "generateName"},
    {3, "namespace"},
    {5, "uid"},
    {6, "resourceVersion"},
    {11, "labels", Kind::kTextMap},
    {12, "annotations", Kind::kTextMap},
    {13, "ownerReferences", Kind::kMessages, &kOwner},
    {14, "finalizers", Kind::kTexts},
};
constexpr Message kMetadata{kMetadataMembers};
constexpr Member kNameMembers[] = {{1, "name"}};
constexpr Message kName{kNameMembers};
constexpr Member kPreconditionMembers[] = {{1, "uid"}, {2, "resourceVersion"}};
constexpr Message kPreconditions{kPreconditionMembers};

constexpr Member kConfigMap[] = {
    {1, "metadata", Kind::kMessage, &kMetadata},
    {2, "data", Kind::kTextMap},
    {3, "binaryData", Kind::kBytesMap},
    {4, "immutable", Kind::kBool},
};
constexpr Member kSecret[] = {
    {1, "metadata", Kind::kMessage, &kMetadata},
    {2, "data", Kind::kBytesMap},
    {3, "type"},
    {5, "immutable", Kind::kBool},
};
constexpr Member kServiceAccount[] = {
    {1, "metadata", Kind::kMessage, &kMetadata},
    {2, "secrets", Kind::kMessages, &kName},
    {3, "imagePullSecrets", Kind::kMessages, &kName},
    {4, "automountServiceAccountToken", Kind::kBool},
};
constexpr Member kNamespace[] = {{1, "metadata", Kind::kMessage, &kMetadata}};
constexpr Member kPortMembers[] = {
    {1, "name"}, {3, "containerPort", Kind::kNumber}, {4, "protocol"}};
constexpr Message kPort{kPortMembers};
constexpr Member kVariableMembers[] = {{1, "name"}, {2, "value"}};
constexpr Message kVariable{kVariableMembers};
constexpr Member kContainerMembers[] = {
    {1, "name"},
    {2, "image"},
    {3, "command", Kind::kTexts},
    {4, "args", Kind::kTexts},
    {5, "workingDir"},
    {6, "ports", Kind::kMessages, &kPort},
    {7, "env", Kind::kMessages, &kVariable},
};
constexpr Message kContainer{kContainerMembers};
constexpr Member kPodSpecMembers[] = {{2, "containers", Kind::kMessages, &kContainer},
                                      {3, "restartPolicy"}};
constexpr Message kPodSpec{kPodSpecMembers};
constexpr Member kTemplateMembers[] = {{1, "metadata", Kind::kMessage, &kMetadata},
                                       {2, "spec", Kind::kMessage, &kPodSpec}};
constexpr Message kTemplate{kTemplateMembers};
constexpr Member kSelectorMembers[] = {{1, "matchLabels", Kind::kTextMap}};
constexpr Message kSelector{kSelectorMembers};
constexpr Member kDeploymentSpecMembers[] = {
    {1, "replicas", Kind::kNumber},
    {2, "selector", Kind::kMessage, &kSelector},
    {3, "template", Kind::kMessage, &kTemplate},
};
constexpr Message kDeploymentSpec{kDeploymentSpecMembers};
constexpr Member kDeployment[] = {
    {1, "metadata", Kind::kMessage, &kMetadata},
    {2, "spec", Kind::kMessage, &kDeploymentSpec},
};
constexpr Member kDeleteOptions[] = {
    {1, "gracePeriodSeconds", Kind::kNumber},
    {2, "preconditions", Kind::kMessage, &kPreconditions},
};

struct KnownKind {
  std::string_view name;
  Message message;
};
/// No two groups have one of the same name here; DeleteOptions any version may call its own.
constexpr KnownKind kKinds[] = {
    {"ConfigMap", {kConfigMap}},   {"DeleteOptions", {kDeleteOptions}},
    {"Deployment", {kDeployment}}, {"Namespace", {kNamespace}},
    {"Secret", {kSecret}},         {"ServiceAccount", {kServiceAccount}},
};

// The envelope, runtime.Unknown.
constexpr Member kTypeMembers[] = {{1, "apiVersion"}, {2, "kind"}};
constexpr Message kType{kTypeMembers};
constexpr Member kEnvelopeMembers[] = {{1, "type", Kind::kMessage, &kType}, {2, "raw", Kind::kRaw}};
constexpr Message kEnvelope{kEnvelopeMembers};

// An entry of a map.
constexpr Member kEntryMembers[] = {{1, "key", Kind::kRaw}, {2, "value", Kind::kRaw}};
constexpr Message kEntry{kEntryMembers};

struct Field {
  std::size_t number = 0;
  std::uint64_t value = 0;  ///< of a number
  std::string_view bytes;   ///< of everything else
};

/// The fields of one message, in order.
class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : rest_(bytes) {}

  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  /// Empty where the bytes are no message.
  std::optional<Field> next() {
    constexpr unsigned kTypeBits = 3, kTypeMask = 7;
    enum WireType : unsigned { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };
    const auto tag = number();
    if (!tag) return std::nullopt;
    Field field{.number = *tag >> kTypeBits, .value = 0, .bytes = {}};
    std::optional<std::uint64_t> length;
    switch (*tag & kTypeMask) {
      case kVarint:
        if (const auto value = number()) return Field{field.number, *value, {}};
        return std::nullopt;
      case kLength:
        length = number();
        break;
      case kFixed64:
        length = sizeof(std::uint64_t);
        break;
      case kFixed32:
        length = sizeof(std::uint32_t);
        break;
      default:
        break;
    }
    if (!length || *length > rest_.size()) return std::nullopt;
    field.bytes = rest_.substr(0, *length);
    rest_.remove_prefix(*length);
    return field;
  }

 private:
  std::optional<std::uint64_t> number() {
    constexpr unsigned kBitsPerByte = 7, kBitsMax = 63, kMore = 0x80, kLow = 0x7f;
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift <= kBitsMax && !rest_.empty(); shift += kBitsPerByte) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= std::uint64_t{byte & kLow} << shift;
      if ((byte & kMore) == 0) return value;
    }
    return std::nullopt;
  }

  std::string_view rest_;
};

bool decode(const Message& message, std::string_view bytes, Json& into);

bool decode_entry(std::string_view bytes, bool base64, Json& into) {
  Json entry = Json::object();
  if (!decode(kEntry, bytes, entry)) return false;
  auto value = entry.value("value", std::string());
  into[entry.value("key", std::string())] =
      base64 ? credentials::base64_encoded(value) : std::move(value);
  return true;
}

/// Every kind of field is a case of its own; messages nest as deep as the tables do.
bool decode_member(const Member& member, const Field& field, Json& into) {
  switch (member.kind) {
    case Kind::kText:
      // Go's encoder writes texts that are not set, too.
      if (!field.bytes.empty()) into[member.name] = field.bytes;
      return true;
    case Kind::kRaw:
      into[member.name] = field.bytes;
      return true;
    case Kind::kTexts:
      into[member.name].push_back(field.bytes);
      return true;
    case Kind::kBool:
      into[member.name] = field.value != 0;
      return true;
    case Kind::kNumber:
      into[member.name] = static_cast<std::int64_t>(field.value);
      return true;
    case Kind::kTextMap:
    case Kind::kBytesMap:
      return decode_entry(field.bytes, member.kind == Kind::kBytesMap, into[member.name]);
    case Kind::kMessage:
      into[member.name] = Json::object();
      return decode(*member.message, field.bytes, into[member.name]);
    case Kind::kMessages:
      into[member.name].push_back(Json::object());
      return decode(*member.message, field.bytes, into[member.name].back());
  }
  return false;
}

bool decode(const Message& message, std::string_view bytes, Json& into) {
  FieldReader reader(bytes);
  while (!reader.at_end()) {
    const auto field = reader.next();
    if (!field) return false;
    const auto member = std::ranges::find(message.members, field->number, &Member::number);
    if (member != message.members.end() && !decode_member(*member, *field, into)) return false;
  }
  return true;
}

}  // namespace

std::expected<Json, ProtobufFault> decode_protobuf(std::string_view body) {
  Json envelope = Json::object();
  if (!body.starts_with(kMagic) || !decode(kEnvelope, body.substr(kMagic.size()), envelope)) {
    return std::unexpected(ProtobufFault::kMalformed);
  }
  const auto type = envelope.value("type", Json::object());
  const auto kind = type.value("kind", std::string());
  const auto* const known = std::ranges::find(kKinds, kind, &KnownKind::name);
  if (known == std::end(kKinds)) return std::unexpected(ProtobufFault::kUnknownKind);
  Json object = {{"kind", kind}, {"apiVersion", type.value("apiVersion", std::string())}};
  if (!decode(known->message, envelope.value("raw", std::string()), object)) {
    return std::unexpected(ProtobufFault::kMalformed);
  }
  return object;
}

}  // namespace podkeeper::simkube
