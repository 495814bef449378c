#include "pkg/simkube/openapi.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/simkube/support/simulated.h"
#include "tests/simkube/support/widgets.h"

namespace podkeeper::simkube {
namespace {

Json document(Simulated& simulated, const std::string& path) {
  return simulated.json(answer_openapi(kubeapi::get(path), simulated.cluster.offer()));
}

TEST(OpenApi, TheIndexLeadsToEveryGroupThatIsServed) {
  Simulated simulated;
  ASSERT_TRUE(simulated.cluster.define(widgets_crd()).has_value());
  const auto paths = document(simulated, "/openapi/v3")["paths"];
  for (const char* name : {"api/v1", "apis/apps/v1", "apis/apiextensions.k8s.io/v1",
                           "apis/test.podkeeper.dev/v1", "apis/test.podkeeper.dev/v2"}) {
    ASSERT_TRUE(paths.contains(name)) << name;
    const auto target = paths[name]["serverRelativeURL"].get<std::string>();
    EXPECT_EQ(document(simulated, target)["openapi"], "3.0.0");
  }
  const auto none =
      answer_openapi(kubeapi::get("/openapi/v3/apis/none/v1"), simulated.cluster.offer());
  EXPECT_EQ(none.status, 404);
}

TEST(OpenApi, ACustomResourceHasItsSchemaAndSaysThatTheServerValidates) {
  Simulated simulated;
  ASSERT_TRUE(simulated.cluster.define(widgets_crd()).has_value());
  const auto api = document(simulated, "/openapi/v3/apis/test.podkeeper.dev/v1");
  const auto& schema = api["components"]["schemas"]["dev.podkeeper.test.v1.Widget"];
  EXPECT_EQ(schema["properties"]["spec"]["properties"]["size"]["maximum"], 65536);
  EXPECT_EQ(schema["x-kubernetes-group-version-kind"][0]["kind"], "Widget");
  const auto& patch =
      api["paths"]["/apis/test.podkeeper.dev/v1/namespaces/{namespace}/widgets/{name}"]["patch"];
  EXPECT_EQ(patch["x-kubernetes-group-version-kind"]["kind"], "Widget");
  EXPECT_NE(patch["parameters"].dump().find("fieldValidation"), std::string::npos);
}

TEST(OpenApi, TheOldDocumentIsProtobufForWhoTakesIt) {
  Simulated simulated;
  const std::string type = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
  const auto ask = [&] {
    return answer_openapi(kubeapi::get("/openapi/v2", type), simulated.cluster.offer());
  };
  EXPECT_EQ(ask().content_type, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
  // swagger = 2.0, info = {title, version}, paths
  const std::string head =
      std::string("\x0a\x03") + "2.0" + "\x12\x12\x0a\x07" + "simkube" + "\x12\x07v1.36.2" + "\x42";
  EXPECT_TRUE(std::get<std::string>(ask().body).starts_with(head));
  // That PATCH takes dryRun, on the path of each kind.
  for (const char* told : {"/api/v1/namespaces/{namespace}/pods/{name}", "/api/v1/nodes/{name}",
                           R"({"group":"","kind":"Pod","version":"v1"})", "dryRun"}) {
    EXPECT_NE(std::get<std::string>(ask().body).find(told), std::string::npos) << told;
  }
  ASSERT_TRUE(simulated.cluster.define(widgets_crd()).has_value());
  const auto body = std::get<std::string>(ask().body);
  EXPECT_TRUE(body.starts_with(head));
  EXPECT_NE(body.find("dev.podkeeper.test.v1.Widget"), std::string::npos);
  EXPECT_EQ(document(simulated, "/openapi/v2")["swagger"], "2.0");
}

}  // namespace
}  // namespace podkeeper::simkube
