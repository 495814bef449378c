#include "tests/http/support/hostile_cases.h"

#include <string_view>
#include <utility>

namespace podkeeper::hostile {
namespace {

using namespace std::string_literals;

using Cases = std::vector<Case>;

constexpr const char* kPath = "/api/v1/pods";

std::string head(const std::string& target, const std::string& fields = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}
std::string get(const std::string& fields) { return head(kPath, fields); }
std::string post(const std::string& fields, const std::string& body = "") {
  return "POST "s + kPath + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + body;
}

/// "0x0d" for a byte that cannot be shown.
std::string shown(unsigned char c) {
  static constexpr char kDigits[] = "0123456789abcdef";
  return "0x"s + kDigits[c / 16] + kDigits[c % 16];
}
std::string percent(unsigned char c, bool upper = false) {
  const char* digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  return "%"s + digits[c / 16] + digits[c % 16];
}

/// A chunked body whose end another reader sees elsewhere, or which kills one that keeps it.
const std::vector<std::pair<std::string, std::string>>& chunked_bodies() {
  static const std::vector<std::pair<std::string, std::string>> kBodies = {
      {"a good body", "1\r\na\r\n0\r\n\r\n"},
      {"a trailer of 70,000 bytes", "0\r\nX: " + std::string(70'000, 'x') + "\r\n\r\n"},
      {"a trailer with an identity", "0\r\nX-Remote-User: admin\r\n\r\n"},
      {"an extension of 100 KB", "1;" + std::string(100'000, 'x') + "\r\na\r\n0\r\n\r\n"},
      {"a size beyond 64 bits", "fffffffffffffffff\r\na"},
      {"a negative size", "-1\r\na\r\n0\r\n\r\n"},
      {"a hexadecimal prefix", "0x1\r\na\r\n0\r\n\r\n"},
      {"bare LF", "1\na\n0\n\n"},
      {"no end", "1\r\na"},
  };
  return kBodies;
}

void transfer_encodings(Cases& into) {
  for (const char* name : {"Transfer-Encoding", "transfer-encoding", "TRANSFER-ENCODING"}) {
    for (const char* value :
         {"chunked", "identity", "xchunked", "chunkedx", "chunked, identity", "identity, chunked",
          "gzip, chunked", "chunked, chunked", "chunked;q=1", "\"chunked\"", "", ",chunked",
          "chunked,", "CHUNKED", "\tchunked", "chunked\t", "gzip", "deflate", "trailers"}) {
      const std::string field = std::string(name) + ": " + value + "\r\n";
      into.push_back({"field " + field, post(field, "0\r\n\r\n")});
    }
  }
  for (const auto& [name, body] : chunked_bodies()) {
    into.push_back({"chunked with " + name, post("Transfer-Encoding: chunked\r\n", body)});
    into.push_back({"chunked over HTTP/1.0 with " + name,
                    "POST "s + kPath + " HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + body});
  }
  for (const char* length : {"0", "1", "5", "6", "65537"}) {
    const std::string size = "Content-Length: "s + length + "\r\n";
    const std::string coding = "Transfer-Encoding: chunked\r\n";
    into.push_back({"length "s + length + " then chunked", post(size + coding, "0\r\n\r\n")});
    into.push_back({"chunked then length "s + length, post(coding + size, "0\r\n\r\n")});
  }
  into.push_back({"blank before the colon of chunked", post("Transfer-Encoding : chunked\r\n")});
  into.push_back({"tab before the colon of chunked", post("Transfer-Encoding\t: chunked\r\n")});
  into.push_back({"chunked folded", post("Transfer-Encoding:\r\n chunked\r\n")});
}

void content_lengths(Cases& into) {
  for (const char* value : {"+1",
                            "-1",
                            "0x1",
                            "1.0",
                            "1e0",
                            "1 1",
                            "1,1",
                            "1, 1",
                            "",
                            "a",
                            "1a",
                            "\"1\"",
                            "1;",
                            "１",
                            "18446744073709551616",
                            "99999999999999999999999999",
                            "-0",
                            "+0",
                            "0b1",
                            "1_000",
                            "NaN"}) {
    into.push_back({"length \""s + value + "\"", post("Content-Length: "s + value + "\r\n", "a")});
  }
  for (const auto& [first, second] : {std::pair{"1", "1"}, {"1", "2"}, {"0", "1"}, {"1", "x"}}) {
    into.push_back(
        {"lengths "s + first + " and " + second,
         post("Content-Length: "s + first + "\r\nContent-Length: " + second + "\r\n", "ab")});
  }
  for (const char* value : {"100-Continue, x", "200-ok", "", "continue", "100"}) {
    into.push_back({"expectation \""s + value + "\"", post("Expect: "s + value + "\r\n"), 417});
  }
}

void hosts(Cases& into) {
  into.push_back({"no host", "GET "s + kPath + " HTTP/1.1\r\n\r\n"});
  for (const char* value : {"a b", "a/b", "a@b", "a\\b", "a#b", "a?b", "a\"b", "a<b", "a|b", "a^b",
                            "a`b", "a{b}", "\xc3\xa4", "a\tb", "http://a"}) {
    into.push_back(
        {"host \""s + value + "\"", "GET "s + kPath + " HTTP/1.1\r\nHost: " + value + "\r\n\r\n"});
  }
  for (const char* second : {"a", "b", ""}) {
    into.push_back({"a second host \""s + second + "\"", get("Host: "s + second + "\r\n")});
  }
}

void request_lines(Cases& into) {
  const auto line = [&](const std::string& name, const std::string& text) {
    into.push_back({name, text + "\r\nHost: a\r\n\r\n"});
  };
  for (const char* version :
       {"HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/3.0", "HTTP/1", "HTTP/1.", "HTTP/11", "HTTP/1.1x",
        "HTTP/01.1", "http/1.1", "HTTPS/1.1", "HTTP /1.1", "HTTP/1 .1", "HTTP/1,1", "ICY/1.1",
        "HTTP/-1.1", "1.1"}) {
    line("version \""s + version + "\"", "GET "s + kPath + " " + version);
  }
  for (const std::string method : {"get", "Get", "GET1", "G T", "GE_T", "G\x01T", "GET:", "GET,GET",
                                   "ABCDEFGHIJKLMNOPQ", "\"GET\"", "GET/", "(GET)"}) {
    line("method \"" + method + "\"", method + " " + kPath + " HTTP/1.1");
  }
  for (const std::string& blank :
       std::vector<std::string>{"  ", "\t", " \t", "\v", "\f", "\xc2\xa0", "\r", "\0"s}) {
    const std::string name = "separator " + shown(static_cast<unsigned char>(blank.back())) +
                             " of " + std::to_string(blank.size());
    line(name + " before the target", "GET" + blank + kPath + " HTTP/1.1");
    line(name + " before the version", "GET "s + kPath + blank + "HTTP/1.1");
    line(name + " at the end", "GET "s + kPath + " HTTP/1.1" + blank);
    line(name + " at the start", blank + "GET "s + kPath + " HTTP/1.1");
  }
  line("no version", "GET "s + kPath);
  line("no target", "GET  HTTP/1.1");
  line("an empty line first", "\r\nGET "s + kPath + " HTTP/1.1");
  line("nothing", "");
}

void fields(Cases& into) {
  for (int c = 0; c < 256; ++c) {
    const auto byte = static_cast<unsigned char>(c);
    const bool in_name = std::string_view("()<>@,;\\\"/[]?={} \t").find(static_cast<char>(c)) !=
                             std::string_view::npos ||
                         c < 0x20 || c == 0x7f || c == 0x80 || c == 0xff;
    if (in_name && c != '\n') {
      into.push_back({"byte " + shown(byte) + " in a field's name",
                      get("X"s + static_cast<char>(c) + "Y: z\r\n")});
    }
    if ((c < 0x20 && c != '\t') || c == 0x7f) {
      into.push_back({"byte " + shown(byte) + " in a field's value",
                      get("X: y"s + static_cast<char>(c) + "z\r\n")});
    }
  }
  for (const auto& [name, text] : {std::pair{"folded by a blank", "X: a\r\n b\r\n"s},
                                   {"folded by a tab", "X: a\r\n\tb\r\n"s},
                                   {"folded and empty", "X:\r\n \r\n"s},
                                   {"without a colon", "X\r\n"s},
                                   {"without a name", ": x\r\n"s},
                                   {"with a blank before the colon", "X : y\r\n"s},
                                   {"ended by LF", "X: a\nY: b\r\n"s},
                                   {"ended by CR", "X: a\rY: b\r\n"s},
                                   {"ended by CR CR LF", "X: a\r\r\n"s}}) {
    into.push_back({"field "s + name, get(text)});
  }
  into.push_back({"first field folded", "GET "s + kPath + " HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n"});
  into.push_back({"lines ended by LF", "GET "s + kPath + " HTTP/1.1\nHost: a\n\n"});
  for (const char* name :
       {"Impersonate-User", "impersonate-user", "IMPERSONATE-GROUP", "Impersonate-Uid",
        "Impersonate-Extra-scopes", "Impersonate_User", "impersonate-"}) {
    into.push_back({"field "s + name, get(std::string(name) + ": system:admin\r\n")});
  }
}

void paths(Cases& into) {
  for (const std::string dots : {".", "..", "%2e", "%2E", "%2e%2e", "%2E%2e", ".%2e", "%2e."}) {
    for (const auto& [before, after] : {std::pair{"/", "/api/v1/pods"},
                                        {"/api/", "/v1/pods"},
                                        {"/api/v1/pods/", ""},
                                        {"/api/v1/pods/", "/"},
                                        {"/state/v1/../", "/api"}}) {
      into.push_back({"dots " + dots + " after " + before, head(before + dots + after)});
    }
  }
  for (const char* target : {"//",
                             "//api/v1/pods",
                             "/api//v1/pods",
                             "/api/v1//pods",
                             "/api/v1/pods//",
                             "///",
                             "/api/v1/pods//?limit=1",
                             "//evil.example/api",
                             "/api/v1/pods/;a=b",
                             "/api/v1/pods;a=b",
                             "/api/v1/pods#x",
                             "/api/v1/pods?limit=1#x",
                             "#",
                             "*",
                             "api/v1/pods",
                             "?limit=1",
                             "http://a/api/v1/pods",
                             "HTTP://a/api/v1/pods",
                             "https://a:443/api/v1/pods",
                             "a:80",
                             "file:///etc/passwd",
                             "\\api\\v1\\pods",
                             "/api\\v1",
                             "/api/v1/pods\\..\\..",
                             "/api/v1/pods%",
                             "/api/v1/pods%2",
                             "/api/v1/pods%zz",
                             "/api/v1/pods%u002f",
                             "/api/v1/%25%32%66pods",
                             "/api%252fv1",
                             "/api%c0%afv1",
                             "/api/%ef%bc%8fv1",
                             "/api/v1/pods%3fwatch=1",
                             "/api/v1/pods%23x",
                             "/api/v1/pods%3bx",
                             "/api/v1/\xc3\xa4",
                             "/api/v1/<pods>",
                             "/api/v1/\"pods\"",
                             "/api/v1/po|ds",
                             "/api/v1/po^ds",
                             "/api/v1/po`ds",
                             "/api/v1/{pods}"}) {
    into.push_back({"target "s + target, head(target)});
  }
  into.push_back({"CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"});
  for (const char separator : {'/', '\\'}) {
    const auto c = static_cast<unsigned char>(separator);
    for (const bool upper : {false, true}) {
      into.push_back(
          {"encoded separator " + percent(c, upper), head("/api" + percent(c, upper) + "v1/pods")});
    }
  }
  for (int c = 0; c < 256; c += c >= 0x80 ? 16 : 1) {
    if (c >= 0x20 && c < 0x7f) continue;
    const auto byte = static_cast<unsigned char>(c);
    into.push_back({"encoded byte " + shown(byte) + " in the path", head(kPath + percent(byte))});
    into.push_back(
        {"encoded byte " + shown(byte) + " in the query", head(kPath + "?a="s + percent(byte))});
    if (c != '\n') {
      into.push_back({"raw byte " + shown(byte) + " in the path",
                      head(kPath + std::string(1, static_cast<char>(c)))});
    }
  }
}

void queries(Cases& into) {
  for (const char* query :
       {"watch=0&watch=1", "watch=1&watch=1", "limit=1&limit=2", "limit=1&limit=1",
        "labelSelector=a&labelSelector=b", "fieldSelector=a=b&x=1&fieldSelector=a=c",
        "resourceVersion=1&resourceVersion=2", "continue=a&continue=b", "pretty&pretty",
        "w%61tch=0&watch=1", "a=1&b=2&a=1", "=1&=2", "a=1;watch=1", "a=%", "a=%4", "a=%zz",
        "a=\xc3\xa4", "a=%c3%a4",

        "a=%0d%0aX:+y"}) {
    into.push_back({"query "s + query, head(kPath + "?"s + query)});
  }
  std::string many = kPath + "?"s;
  for (int i = 0; i < 65; ++i) many += "k" + std::to_string(i) + "=1&";
  into.push_back({"65 parameters", head(many)});
}

void sizes(Cases& into, const Limits& limits) {
  for (const std::size_t extra : {std::size_t{1}, std::size_t{100}, std::size_t{6'000}}) {
    into.push_back({"target " + std::to_string(extra) + " bytes too long",
                    head("/" + std::string(limits.target_bytes - 1 + extra, 'x')), 414});
  }
  into.push_back({"target of 100 KB", head("/" + std::string(100'000, 'x')), 414});
  into.push_back({"target that never ends", "GET /" + std::string(100'000, 'x'), 414});
  into.push_back({"label selector of 10 KB",
                  head(kPath + "?labelSelector="s + std::string(10'000, 'x')), 414});
  for (const std::size_t size :
       {limits.header_bytes, limits.header_bytes * 2, std::size_t{1} << 20}) {
    into.push_back({"field of " + std::to_string(size) + " bytes",
                    get("X: " + std::string(size, 'x') + "\r\n"), 431});
    into.push_back({"field's name of " + std::to_string(size) + " bytes",
                    get(std::string(size, 'x') + ": x\r\n"), 431});
  }
  for (const std::size_t count : {limits.fields, limits.fields + 1, std::size_t{500}}) {
    std::string many;
    for (std::size_t i = 0; i < count; ++i) many += "X: y\r\n";
    into.push_back({std::to_string(count + 1) + " fields", get(many), 431});
  }
  std::string endless;
  for (int i = 0; i < 100'000; ++i) endless += "X: y\r\n";
  into.push_back({"100,000 fields", get(endless), 431});
  for (const std::string& length : {std::to_string(limits.body_bytes + 1), "1048576"s,
                                    "4294967296"s, "18446744073709551615"s}) {
    into.push_back({"body of " + length, post("Content-Length: " + length + "\r\n"), 413});
    into.push_back({"expected body of " + length,
                    post("Expect: 100-continue\r\nContent-Length: " + length + "\r\n"), 413});
  }
}

void other_protocols(Cases& into) {
  for (const auto& [name, bytes] :
       {std::pair{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"s},
        {"TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s},
        {"SSLv2 hello", "\x80\x2e\x01\x00\x02"s},
        {"PROXY v1", "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"s},
        {"PROXY v2", "\r\n\r\n\0\r\nQUIT\n"s},
        {"Redis", "*1\r\n$4\r\nPING\r\n"s},
        {"memcached", "stats\r\n"s},
        {"DNS", "\x00\x1d\x12\x34\x01\x00\x00\x01"s},
        {"PostgreSQL", "\x00\x00\x00\x08\x04\xd2\x16\x2f"s},
        {"JSON", "{\"a\":1}\r\n\r\n"s},
        {"HTTP answer", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"s},
        {"zeros", std::string(64, '\0')},
        {"0xff", std::string(64, '\xff')},
        {"LF", "\n"s},
        {"HTTP/0.9", "GET /api/v1/pods\r\n\r\n"s}}) {
    into.push_back({name, bytes});
  }
}

void endless(Cases& into) {
  for (const auto& [name, bytes] :
       {std::pair{"a letter", "G"s},
        {"a method", "GET "s},
        {"a line", "GET / HTTP/1.1\r\n"s},
        {"half a field", "GET / HTTP/1.1\r\nHost: a\r\nX: "s},
        {"a head without its last line", "GET / HTTP/1.1\r\nHost: a\r\n"s},
        {"a head without its last byte", "GET / HTTP/1.1\r\nHost: a\r\n\r"s},
        {"an SSH banner", "SSH-2.0-OpenSSH_9.2\r\n"s},
        {"an SMTP greeting", "EHLO a\r\n"s},
        {"an FTP login", "USER anonymous\r\n"s}}) {
    into.push_back({"no more than "s + name, bytes, 408, true});
  }
  into.push_back({"no byte of a body", post("Content-Length: 5\r\n"), 408, true});
  into.push_back({"half a body", post("Content-Length: 5\r\n", "ab"), 408, true});
}

}  // namespace

std::vector<Case> all_cases(const Limits& limits) {
  Cases cases;
  transfer_encodings(cases);
  content_lengths(cases);
  hosts(cases);
  request_lines(cases);
  fields(cases);
  paths(cases);
  queries(cases);
  sizes(cases, limits);
  other_protocols(cases);
  endless(cases);
  return cases;
}

}  // namespace podkeeper::hostile
