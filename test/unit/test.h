/* test.h - the few lines a C unit test needs: each check is counted, each case printed as TAP
 *
 * A test file includes the .c file that it tests, defines its cases with TEST("a sentence") { ... },
 * and ends with TEST_MAIN(). A case that returns with no failed CHECK has passed. With arguments the program runs only the
 * cases of these sentences. */
#ifndef TEST_H
#define TEST_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test_case {
	const char *sentence;
	void (*run)(void);
	struct test_case *next;
};

static struct test_case *test_first, **test_last = &test_first;
static int test_failures;
static const char *test_skipped;

#define TEST_JOIN2(a, b) a##b
#define TEST_JOIN(a, b) TEST_JOIN2(a, b)
#define TEST(sentence) TEST_CASE(sentence, __LINE__)
#define TEST_CASE(text, line) \
	static void TEST_JOIN(test_run_, line)(void); \
	__attribute__((constructor)) static void TEST_JOIN(test_add_, line)(void) \
	{ \
		static struct test_case self = { text, TEST_JOIN(test_run_, line), NULL }; \
		*test_last = &self; \
		test_last = &self.next; \
	} \
	static void TEST_JOIN(test_run_, line)(void)

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			test_failures++; \
			printf("# %s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
		} \
	} while (0)
#define CHECK_INT(actual, expected) \
	do { \
		long long test_a = (long long)(actual), test_b = (long long)(expected); \
		if (test_a != test_b) { \
			test_failures++; \
			printf("# %s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #actual, \
			       test_a, test_b); \
		} \
	} while (0)
/* Skips the rest of the case: only where this machine cannot do it; the reason is printed. */
#define SKIP(reason) \
	do { \
		test_skipped = reason; \
		return; \
	} while (0)

#define TEST_MAIN() \
	int main(int argc, char **argv) \
	{ \
		int number = 0, failed = 0; \
		setvbuf(stdout, NULL, _IOLBF, 0); \
		for (struct test_case *test = test_first; test; test = test->next) { \
			bool wanted = argc < 2; \
			for (int i = 1; i < argc; i++) \
				wanted |= !strcmp(test->sentence, argv[i]); \
			if (!wanted) \
				continue; \
			test_failures = 0; \
			test_skipped = NULL; \
			test->run(); \
			printf("%sok %d - %s", test_failures ? "not " : "", ++number, test->sentence); \
			if (test_skipped) \
				printf(" # skip %s", test_skipped); \
			putchar('\n'); \
			failed += test_failures != 0; \
		} \
		printf("1..%d\n", number); \
		return failed != 0; \
	}

#endif
