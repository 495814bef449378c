#!/usr/bin/python3
"""Every rule must be able to fail: each is shown a planted fault, and the sound code beside it."""

import pathlib
import re
import unittest

import tidy
from source_tree import SourceTree, blanked

TABLE = """# The house
```floors
9  daemon            the program
8  api simkube       doors | the embedded cluster
3  http health       how bytes travel | how we are
2  runtime cmap      tasks | maps
0  base              seams
```
"""
ROOMS = """pk_room(base LIBS Threads::Threads)
pk_room(runtime DEPS base)
pk_room(cmap DEPS base)
pk_room(http DEPS runtime)
pk_room(health DEPS runtime)
pk_room(api DEPS http health)
pk_room(simkube DEPS http)
"""


def findings(rule, files, table=TABLE, rooms=ROOMS):
    tree = SourceTree({"docs/ARCHITECTURE.md": table, "pkg/CMakeLists.txt": rooms} | files)
    return [str(finding) for finding in tidy.RULES[rule](tree)]


class Rule(unittest.TestCase):
    def finds(self, rule, path, code, words):
        """`code` at `path` breaks `rule` in exactly one place, said with `words`."""
        found = findings(rule, {path: code})
        self.assertEqual(len(found), 1, f"{rule} on {code!r}: {found}")
        self.assertIn(path, found[0])
        self.assertIn(words, found[0])

    def accepts(self, rule, path, code):
        self.assertEqual(findings(rule, {path: code}), [])


class Floors(Rule):
    def test_upward_include_is_found(self):
        self.finds("floors", "pkg/base/a.h", '#include "pkg/http/server.h"\n', "upwards")

    def test_include_within_a_floor_is_found(self):
        self.finds("floors", "pkg/cmap/a.cc", '#include "pkg/runtime/wakeup.h"\n', "share floor")

    def test_downward_and_own_includes_are_fine(self):
        self.accepts("floors", "pkg/http/a.cc",
                     '#include "pkg/http/a.h"\n#include "pkg/base/result.h"\n#include <string>\n')

    def test_include_of_daemon_or_tests_from_a_room_is_found(self):
        self.finds("floors", "pkg/api/a.cc", '#include "daemon/app.h"\n', "nothing under pkg/")
        self.finds("floors", "pkg/api/a.cc", '#include "tests/api/x.h"\n', "nothing under pkg/")

    def test_relative_include_is_found(self):
        self.finds("floors", "pkg/http/a.cc", '#include "a.h"\n', "from the root")

    def test_include_in_a_comment_is_no_include(self):
        self.accepts("floors", "pkg/base/a.h", '// #include "pkg/http/server.h"\n')

    def test_room_without_a_floor_is_found(self):
        found = findings("floors", {"pkg/attic/a.cc": ""})
        self.assertEqual(len(found), 1)
        self.assertIn("pkg/attic has no floor", found[0])

    def test_missing_table_is_found(self):
        self.assertIn("missing or empty", findings("floors", {}, table="# The house\n")[0])

    def test_test_of_a_room_stays_at_or_below_its_floor(self):
        self.finds("floors", "tests/cmap/a_test.cc", '#include "pkg/http/server.h"\n', "reaches up")
        self.accepts("floors", "tests/cmap/a_test.cc", '#include "pkg/runtime/task_group.h"\n')

    def test_simkube_is_only_for_its_own_tests_and_above(self):
        include = '#include "pkg/simkube/cluster.h"\n'
        self.finds("floors", "tests/api/a_test.cc", include, "simkube is for")
        self.accepts("floors", "tests/simkube/a_test.cc", include)
        self.accepts("floors", "tests/integration/a_test.cc", include)

    def test_daemon_is_known_only_above(self):
        self.finds("floors", "tests/api/a_test.cc", '#include "daemon/app.h"\n', "stand above")
        self.accepts("floors", "tests/proofs/a_proof.cc", '#include "daemon/app.h"\n')


class LinkDependencies(Rule):
    def test_upward_and_sideward_deps_are_found(self):
        rooms = ROOMS.replace("runtime DEPS base", "runtime DEPS base http")
        self.assertIn("upwards", findings("link_dependencies", {}, rooms=rooms)[0])
        rooms = ROOMS.replace("cmap DEPS base", "cmap DEPS base runtime LIBS xxhash")
        self.assertIn("share floor", findings("link_dependencies", {}, rooms=rooms)[0])

    def test_room_of_the_table_that_is_not_built_is_found(self):
        rooms = ROOMS.replace("pk_room(simkube DEPS http)\n", "")
        self.assertIn("simkube has no pk_room", findings("link_dependencies", {}, rooms=rooms)[0])

    def test_include_that_deps_do_not_reach_is_found(self):
        self.finds("link_dependencies", "pkg/http/a.cc", '#include "pkg/cmap/map.h"\n',
                   "add cmap to the DEPS")
        self.accepts("link_dependencies", "pkg/http/a.cc", '#include "pkg/base/result.h"\n')

    def test_test_program_linked_with_what_is_above_it_is_found(self):
        self.finds("link_dependencies", "tests/CMakeLists.txt", "pk_test(cmap DEPS cmap http)\n",
                   "reaches up")
        self.accepts("link_dependencies", "tests/CMakeLists.txt",
                     "pk_test(cmap DEPS cmap runtime)\n")


class Seams(Rule):
    def test_each_part_of_the_world_is_found(self):
        for code, words in (
                ("auto t = std::chrono::steady_clock::now();", "a clock"),
                ("auto t = std::chrono::system_clock::now();", "a clock"),
                ("auto t = std::time(nullptr);", "a clock"),
                ("clock_gettime(CLOCK_MONOTONIC, &ts);", "a clock"),
                ("boost::asio::steady_timer timer(executor);", "a timer"),
                ("std::this_thread::sleep_for(10ms);", "a sleep"),
                ("usleep(5);", "a sleep"),
                ("::sleep(5);", "a sleep"),
                ("boost::asio::ip::tcp::socket socket(executor);", "a socket"),
                ("boost::asio::ip::tcp::acceptor acceptor(executor);", "a socket"),
                ("tcp::resolver resolver(executor);", "a socket"),
                ("std::random_device device;", "randomness"),
                ("std::mt19937_64 engine(1);", "randomness"),
                ("int n = rand();", "randomness"),
                ("std::thread worker(run);", "a thread"),
                ("std::vector<std::jthread> workers;", "a thread"),
                ("auto later = std::async(run);", "a thread"),
                ("boost::asio::thread_pool workers(4);", "a thread pool")):
            with self.subTest(code):
                self.finds("seams", "pkg/http/server.cc", code + "\n", words)

    def test_real_world_may(self):
        self.accepts("seams", "pkg/runtime/real_clock.cc", "std::chrono::steady_clock::now();\n")

    def test_the_logs_writer_may_have_its_thread(self):
        self.accepts("seams", "pkg/telemetry/log.cc", "thread_pool pool;\n")
        self.finds("seams", "pkg/telemetry/metrics.cc", "thread_pool pool;\n", "a thread")

    def test_real_world_of_another_room_may_not(self):
        self.finds("seams", "pkg/http/real_clock.cc", "steady_clock::now();\n", "a clock")

    def test_tests_may_have_threads_but_neither_clocks_nor_sleeps(self):
        self.accepts("seams", "tests/cmap/map_test.cc", "std::thread worker(run);\n")
        self.finds("seams", "tests/cmap/map_test.cc", "std::this_thread::sleep_for(1s);\n", "sleep")
        self.finds("seams", "tests/cmap/map_test.cc", "steady_clock::now();\n", "a clock")

    def test_proofs_and_benchmarks_have_the_world_as_it_is(self):
        for code in ("steady_clock::now();", "tcp::socket peer(loop);",
                     "this_thread::sleep_for(1s);"):
            self.accepts("seams", "tests/bench/serve_bench.cc", code + "\n")
            self.accepts("seams", "tests/proofs/churn_proof.cc", code + "\n")
        self.finds("seams", "tests/proofs/churn_proof.cc", "std::random_device d;\n", "randomness")

    def test_tests_may_draw_cases_from_a_constant_seed_only(self):
        self.accepts("seams", "tests/cmap/map_test.cc", "std::mt19937_64 random(1);\n")
        self.finds("seams", "tests/cmap/map_test.cc", "std::random_device device;\n", "randomness")

    def test_types_calls_on_the_seam_words_and_comments_are_fine(self):
        self.accepts("seams", "pkg/http/a.cc", """
            using Time = std::chrono::time_point<std::chrono::steady_clock>;
            auto nap = clock.sleep_for(duration);  // not std::this_thread::sleep_for
            Task<void> sleep_until(MonotonicTime when);
            const char* text = "std::thread and steady_clock::now()";
            auto id = std::thread::hardware_concurrency();
            auto at = record.time(0);
            Task<void> sleep(Duration duration);
            """)


class DetachedTasks(Rule):
    def test_detached_work_is_found(self):
        for code in ("co_spawn(executor, run(), handler);", "f(boost::asio::detached);",
                     "worker.detach();"):
            with self.subTest(code):
                self.finds("detached_tasks", "pkg/http/a.cc", code + "\n", "TaskGroup::spawn")
                self.finds("detached_tasks", "tests/http/a_test.cc", code + "\n", "TaskGroup")

    def test_task_group_may(self):
        self.accepts("detached_tasks", "pkg/runtime/task_group.cc", "co_spawn(executor, f, h);\n")

    def test_test_below_task_group_may_spawn_but_not_detach(self):
        self.accepts("detached_tasks", "tests/base/a_test.cc", "co_spawn(executor, f, h);\n")
        self.finds("detached_tasks", "tests/base/a_test.cc", "f(asio::detached);\n", "TaskGroup")
        self.finds("detached_tasks", "pkg/recovery/a.cc", "co_spawn(e, f, h);\n", "TaskGroup")


class AnnotatedLocks(Rule):
    def test_unannotated_locks_are_found(self):
        for code in ("std::mutex mutex_;", "std::shared_mutex mutex_;",
                     "std::lock_guard lock(mutex_);"):
            with self.subTest(code):
                self.finds("annotated_locks", "pkg/cmap/map.cc", code + "\n", "base::Mutex")
        self.accepts("annotated_locks", "pkg/base/mutex.h", "std::mutex mutex_;\n")
        self.accepts("annotated_locks", "pkg/cmap/rw_mutex_map.h", "M<std::shared_mutex> map;\n")


class LibraryHeaders(Rule):
    def test_heavy_libraries_in_a_header_are_found(self):
        for header in ("<boost/beast/http.hpp>", "<simdjson.h>", "<openssl/ssl.h>",
                       "<nlohmann/json.hpp>"):
            with self.subTest(header):
                self.finds("library_headers", "pkg/http/a.h", f"#include {header}\n", header)
                self.accepts("library_headers", "pkg/http/a.cc", f"#include {header}\n")

    def test_forward_declarations_of_nlohmann_are_fine(self):
        self.accepts("library_headers", "pkg/http/a.h", "#include <nlohmann/json_fwd.hpp>\n")


class NameThenAwait(Rule):
    def test_capturing_lambda_is_found(self):
        for code in ("co_await f([s] { return s; });",
                     "co_await f(x, [&]() mutable -> Task<void> { co_return; });",
                     "auto r = co_await g(1, [this](int n) { use(n); });",
                     "if (co_await f([s] { return s; })) {\n}"):
            with self.subTest(code):
                self.finds("name_then_await", "pkg/http/a.cc", f"void h() {{\n{code}\n}}\n",
                           "a capturing lambda")

    def test_braced_aggregate_is_found(self):
        for code in ("co_await client.list(Options{.limit = 5});",
                     "co_await client.list({.limit = 5});",
                     "auto r = co_await f(std::vector<int>{1, 2});",
                     "use(Options{1}, co_await f());",
                     "use(co_await f(), Options{1});",
                     "if (co_await f(Key{a, b})) {\n}",
                     "co_return co_await f(Error{code});"):
            with self.subTest(code):
                self.finds("name_then_await", "tests/http/a_test.cc", f"void h() {{\n{code}\n}}\n",
                           "a braced aggregate")

    def test_named_values_blocks_and_plain_lambdas_are_fine(self):
        self.accepts("name_then_await", "pkg/http/a.cc", """
            Task<void> run() {
              auto options = ListOptions{.limit = 5};
              auto page = co_await client.list(std::move(options));
              if (!co_await stream.read_some(buffer_[index])) {
                co_return;
              }
              for (auto& item : co_await items()) { use(Item{item}); }
              while (auto n = co_await next()) { values.push_back({n}); }
              auto later = co_await f([](int n) { return Pair{n, n}; }, std::move(named));
              switch (co_await kind()) { default: break; }
              auto task = [self]() -> Task<void> { co_await self->work(); };
              group.spawn("name", kind, [self] { return self->loop(Options{1}); });
            }
            """)


class Shape(Rule):
    def test_header_without_pragma_once_is_found(self):
        self.finds("header_guard", "pkg/http/a.h", "#include <string>\n", "#pragma once")
        self.accepts("header_guard", "pkg/http/a.h", "// What it is.\n#pragma once\n")

    def test_long_file_is_found(self):
        self.finds("file_length", "pkg/http/a.cc", "int a;\n" * 401, "401 lines")
        self.accepts("file_length", "pkg/http/a.cc", "int a;\n" * 400)

    def test_long_function_is_found(self):
        for opening, closing in (("void f(int a) {", "}"),
                                 ("namespace n {\nclass C {\n  void f() const {", "}\n};\n}"),
                                 ("template <class T>\nauto f(T a) -> int\n{", "}"),
                                 ("void f(Options options = {}) {", "}"),
                                 ("C::C(int a)\n    : a_(a),\n      b_{a} {", "}")):
            with self.subTest(opening):
                code = opening + "\n" + "  g({1});\n" * 75 + closing + "\n"
                self.finds("function_length", "pkg/http/a.cc", code, "a function of 7")

    def test_long_class_table_and_namespace_are_fine(self):
        body = "  void f(int a) { g(a); }\n" * 80
        self.accepts("function_length", "pkg/http/a.cc",
                     f"namespace n {{\nclass C {{\n{body}}};\n}}  // namespace n\n")
        self.accepts("function_length", "pkg/http/a.cc",
                     "constexpr Row kRows[] = {\n" + "  {1, 2},\n" * 90 + "};\n")

    def test_function_of_exactly_the_limit_is_fine(self):
        def lines(count):
            return "void f() {\n" + "  g();\n" * (count - 2) + "}\n"
        self.accepts("function_length", "pkg/http/a.cc", lines(70))
        self.finds("function_length", "pkg/http/a.cc", lines(71), "71")

    def test_wide_line_is_found(self):
        self.finds("columns", "pkg/http/a.cc", "// " + "x" * 98 + "\n", "101 columns")
        self.finds("columns", "scripts/run", "#!/bin/bash\n" + "x" * 101 + "\n", "101 columns")
        self.accepts("columns", "pkg/http/a.cc", "x" * 100 + "\n")
        self.accepts("columns", "pkg/http/a.cc", 'auto text = R"(' + "x" * 100 + ')";\n')
        self.accepts("columns", "docs/NOTES.md", "x" * 200 + "\n")

    def test_unfinished_work_is_found(self):
        for word in ("TO" "DO", "FIX" "ME", "XX" "X", "HA" "CK"):
            self.finds("unfinished", "pkg/http/a.cc", f"// {word}: later\n", word)
        self.accepts("unfinished", "pkg/http/a.cc", "int todos;\n")


class Blanking(unittest.TestCase):
    def test_literals_and_comments_vanish_and_offsets_stay(self):
        text = 'f("a{b", \'{\', R"(x{"y)", 1\'000); // {\n/* {\n */ g();\n'
        code = blanked(text)
        self.assertEqual(len(code), len(text))
        self.assertEqual(code.count("\n"), text.count("\n"))
        self.assertNotIn("{", code)
        self.assertTrue(re.search(r"1'000\);", code))


class EveryRule(unittest.TestCase):
    def test_has_a_sentence_and_a_planted_fault(self):
        own_source = pathlib.Path(__file__).read_text(encoding="utf-8")
        for name, rule in tidy.RULES.items():
            self.assertTrue(rule.__doc__, name)
            self.assertIn(f'"{name}", ', own_source, f"no planted fault for {name}")


if __name__ == "__main__":
    unittest.main()
