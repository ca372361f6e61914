/* needs: */
/* Borrowed and growing bytes, base64 and UTF-8; the small encodings over all that is feasible. */
#include <stdbool.h>
#include <stdlib.h>

static void *test_malloc(size_t size);
static void *test_realloc(void *old, size_t size);
#define malloc test_malloc
#define realloc test_realloc
#include "../../buf.c"

#include <fcntl.h>
#undef malloc
#undef realloc

#include "test.h"

static int allocations;
static bool memory_fails;

static void *test_malloc(size_t size)
{
	allocations++;
	return memory_fails ? NULL : malloc(size);
}

static void *test_realloc(void *old, size_t size)
{
	allocations++;
	return memory_fails ? NULL : realloc(old, size);
}

TEST("a string of C's becomes borrowed bytes, and NULL the empty string")
{
	CHECK_INT(str_of("abc").len, 3);
	CHECK_INT(str_of("").len, 0);
	CHECK_INT(str_of(NULL).len, 0);
	CHECK(str_of(NULL).data != NULL);
	CHECK_INT(STR("a\0b").len, 3);
}

TEST("strings are equal by length and bytes, NUL and NULL included")
{
	CHECK(str_eq(STR("a\0b"), STR("a\0b")));
	CHECK(!str_eq(STR("a\0b"), STR("a\0c")));
	CHECK(!str_eq(STR("ab"), STR("abc")));
	CHECK(str_eq(STR(""), (struct str){ NULL, 0 }));
	CHECK(str_is(STR("abc"), "abc"));
	CHECK(!str_is(STR("abc\0"), "abc"));
	CHECK(!str_is(STR("ab"), "abc"));
	CHECK(str_is((struct str){ NULL, 0 }, ""));
}

TEST("only the case of ASCII letters is ignored")
{
	CHECK(str_is_nocase(STR("Content-LENGTH"), "content-length"));
	CHECK(str_is_nocase(STR("content-length"), "Content-Length"));
	CHECK(!str_is_nocase(STR("content-lengt"), "content-length"));
	CHECK(!str_is_nocase(STR("content_length"), "content-length"));
	/* Pairs that differ by 0x20 as letters do. */
	CHECK(!str_is_nocase(STR("@"), "`"));
	CHECK(!str_is_nocase(STR("["), "{"));
	CHECK(!str_is_nocase(STR("\xc3\x84"), "\xc3\xa4"));
	CHECK(str_is_nocase(STR("AZ"), "az"));
}

TEST("a string begins with a prefix that is not longer than it")
{
	CHECK(str_begins(STR("abc"), "ab"));
	CHECK(str_begins(STR("abc"), "abc"));
	CHECK(str_begins(STR("abc"), ""));
	CHECK(str_begins((struct str){ NULL, 0 }, ""));
	CHECK(!str_begins(STR("abc"), "abcd"));
	CHECK(!str_begins(STR("abc"), "b"));
}

TEST("a NUL is found anywhere")
{
	CHECK(str_has_nul(STR("\0a")));
	CHECK(str_has_nul(STR("ab\0")));
	CHECK(!str_has_nul(STR("ab")));
	CHECK(!str_has_nul(STR("")));
	CHECK(!str_has_nul((struct str){ NULL, 0 }));
}

TEST("a number is digits and nothing else")
{
	static const char *const bad[] = {
		"", "+1", "-1", " 1", "1 ", "1x", "x", "0x10", "1.0", "1e3", "-", "1_0", "\xd9\xa1",
		"99999999999999999999999999x",
	};
	uint64_t value = 7;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(str_to_u64(str_of(bad[i]), UINT64_MAX, &value), -EINVAL);
	CHECK_INT(str_to_u64(STR("1\0"), UINT64_MAX, &value), -EINVAL);
	CHECK_INT(value, 7);
	CHECK_INT(str_to_u64(STR("0"), 0, &value), 0);
	CHECK_INT(value, 0);
	CHECK_INT(str_to_u64(STR("0000000000000000000000000000042"), 42, &value), 0);
	CHECK_INT(value, 42);
}

TEST("a number above the maximum is told from one that is none")
{
	uint64_t value = 7;

	CHECK_INT(str_to_u64(STR("18446744073709551615"), UINT64_MAX, &value), 0);
	CHECK(value == UINT64_MAX);
	value = 7;
	CHECK_INT(str_to_u64(STR("18446744073709551616"), UINT64_MAX, &value), -ERANGE);
	/* These wrap to something small. */
	CHECK_INT(str_to_u64(STR("36893488147419103233"), UINT64_MAX, &value), -ERANGE);
	CHECK_INT(str_to_u64(STR("184467440737095516160"), UINT64_MAX, &value), -ERANGE);
	CHECK_INT(str_to_u64(STR("100"), 99, &value), -ERANGE);
	CHECK_INT(value, 7);
	CHECK_INT(str_to_u64(STR("99"), 99, &value), 0);
	CHECK_INT(value, 99);
}

TEST("appends of every kind add up")
{
	struct buf buf;

	buf_init(&buf, 1000);
	CHECK_INT(buf_str(&buf).len, 0);
	CHECK(buf_str(&buf).data != NULL);
	CHECK_INT(buf_append(&buf, "a\0b", 3), 0);
	CHECK_INT(buf_append(&buf, NULL, 0), 0);
	CHECK_INT(buf_append_str(&buf, STR("cd")), 0);
	CHECK_INT(buf_append_str(&buf, (struct str){ NULL, 0 }), 0);
	CHECK_INT(buf_puts(&buf, "ef"), 0);
	CHECK_INT(buf_putc(&buf, 'g'), 0);
	CHECK_INT(buf_printf(&buf, "%d-%s", 42, "h"), 0);
	CHECK(str_eq(buf_str(&buf), STR("a\0bcdefg42-h")));
	CHECK(!buf.failed);
	buf_free(&buf);
	CHECK(!buf.data);
	CHECK_INT(buf.size, 0);
	CHECK_INT(buf.max, 1000);
	CHECK_INT(buf_puts(&buf, "again"), 0);
	buf_free(&buf);
}

TEST("a buffer takes its maximum and not a byte more")
{
	struct buf buf;

	for (size_t max = 0; max < 300; max++) {
		buf_init(&buf, max);
		for (size_t i = 0; i < max; i++)
			CHECK_INT(buf_putc(&buf, (char)i), 0);
		CHECK(!buf.failed);
		CHECK_INT(buf_putc(&buf, 'x'), -ENOSPC);
		CHECK(buf.failed);
		CHECK_INT(buf.len, max);
		CHECK(buf.size <= max);
		for (size_t i = 0; i < max; i++)
			CHECK(buf.data[i] == (char)i);
		buf_free(&buf);
		CHECK(!buf.failed);
	}
}

TEST("a size that would overflow is refused, and the content stays")
{
	struct buf buf;

	buf_init(&buf, SIZE_MAX);
	CHECK_INT(buf_puts(&buf, "abc"), 0);
	CHECK_INT(buf_reserve(&buf, SIZE_MAX), -ENOSPC);
	CHECK_INT(buf_reserve(&buf, SIZE_MAX - 2), -ENOSPC);
	CHECK(!buf.failed);
	memory_fails = true;
	CHECK_INT(buf_reserve(&buf, SIZE_MAX - 3), -ENOMEM);
	memory_fails = false;
	CHECK(str_is(buf_str(&buf), "abc"));
	buf_free(&buf);
}

TEST("without memory an append fails, is remembered, and leaves the content")
{
	struct buf buf;

	buf_init(&buf, 100000);
	CHECK_INT(buf_puts(&buf, "abc"), 0);
	memory_fails = true;
	CHECK_INT(buf_append(&buf, "0123456789012345678901234567890123456789"
			     "0123456789012345678901234567890123456789", 80), -ENOMEM);
	CHECK(buf.failed);
	CHECK(str_is(buf_str(&buf), "abc"));
	CHECK_INT(buf_printf(&buf, "%100d", 1), -ENOMEM);
	CHECK_INT(buf_base64_encode(&buf, (struct str){ buf.data, 3 }), 0);
	CHECK(str_is(buf_str(&buf), "abcYWJj"));
	memory_fails = false;
	CHECK_INT(buf_printf(&buf, "%100d", 1), 0);
	CHECK_INT(buf.len, 107);
	CHECK(buf.failed);
	buf_free(&buf);
}

TEST("growing to a megabyte takes few allocations")
{
	struct buf buf;

	buf_init(&buf, 1 << 20);
	allocations = 0;
	for (int i = 0; i < 1 << 20; i++)
		buf_putc(&buf, 'x');
	CHECK(!buf.failed);
	CHECK(allocations < 20);
	CHECK_INT(buf.size, 1 << 20);
	buf_free(&buf);
}

TEST("a reserve that succeeded is enough for what was asked, without an allocation")
{
	struct buf buf;

	buf_init(&buf, 5000);
	CHECK_INT(buf_reserve(&buf, 5000), 0);
	allocations = 0;
	for (int i = 0; i < 5000; i++)
		CHECK_INT(buf_putc(&buf, 'x'), 0);
	CHECK_INT(allocations, 0);
	CHECK_INT(buf_reserve(&buf, 0), 0);
	buf_free(&buf);
}

TEST("formatted text fits exactly, although its NUL does not")
{
	struct buf buf;

	for (size_t max = 0; max < 140; max++) {
		buf_init(&buf, max);
		if (max < 66) {
			CHECK_INT(buf_printf(&buf, "%066d", 7), -ENOSPC);
			CHECK_INT(buf.len, 0);
			CHECK(buf.failed);
		} else {
			CHECK_INT(buf_printf(&buf, "%066d", 7), 0);
			CHECK_INT(buf.len, 66);
			CHECK(buf.data[65] == '7' && buf.data[0] == '0');
			CHECK(!buf.failed);
		}
		CHECK(buf.size <= max);
		CHECK_INT(buf_printf(&buf, "%s", ""), 0);
		buf_free(&buf);
	}
}

TEST("no memory for the NUL of formatted text is a failed append")
{
	struct buf buf;

	buf_init(&buf, 5);
	CHECK_INT(buf_reserve(&buf, 5), 0);
	memory_fails = true;
	CHECK_INT(buf_printf(&buf, "%s", "12345"), -ENOMEM);
	memory_fails = false;
	CHECK(buf.failed);
	CHECK_INT(buf.len, 0);
	buf_free(&buf);
}

TEST("bytes are dropped from the front, never more than there are")
{
	struct buf buf;

	buf_init(&buf, 100);
	buf_consume(&buf, 0);
	buf_puts(&buf, "abcdef");
	buf_consume(&buf, 0);
	CHECK(str_is(buf_str(&buf), "abcdef"));
	buf_consume(&buf, 2);
	CHECK(str_is(buf_str(&buf), "cdef"));
	buf_consume(&buf, 4);
	CHECK_INT(buf.len, 0);
	buf_puts(&buf, "xy");
	buf_consume(&buf, 3);
	CHECK_INT(buf.len, 0);
	buf_free(&buf);
}

TEST("base64 is as the vectors of RFC 4648 have it")
{
	static const char *const vectors[][2] = {
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
		{ "\xfb\xff\xbf", "+/+/" },
	};
	struct buf buf;

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		buf_init(&buf, 100);
		CHECK_INT(buf_base64_encode(&buf, str_of(vectors[i][0])), 0);
		CHECK(str_is(buf_str(&buf), vectors[i][1]));
		buf.len = 0;
		CHECK_INT(buf_base64_decode(&buf, str_of(vectors[i][1])), 0);
		CHECK(str_is(buf_str(&buf), vectors[i][0]));
		buf_free(&buf);
	}
}

/* What base64 of one to three bytes is, worked out on whole numbers and not on shifted bytes. */
static void slow_base64(const unsigned char *in, size_t n, char *out)
{
	static const char *const digits =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned long bits = 0;

	for (size_t i = 0; i < 3; i++)
		bits = bits * 256 + (i < n ? in[i] : 0);
	for (size_t i = 4; i-- > 0; bits /= 64)
		out[i] = i > n ? '=' : digits[bits % 64];
}

static void check_group(struct buf *buf, const unsigned char *in, size_t n)
{
	char expected[4];

	slow_base64(in, n, expected);
	buf->len = 0;
	CHECK_INT(buf_base64_encode(buf, (struct str){ (const char *)in, n }), 0);
	CHECK(str_eq(buf_str(buf), (struct str){ expected, 4 }));
	buf->len = 0;
	CHECK_INT(buf_base64_decode(buf, (struct str){ expected, 4 }), 0);
	CHECK(str_eq(buf_str(buf), (struct str){ (const char *)in, n }));
}

TEST("base64 goes there and back for all inputs of one and two bytes and many of three")
{
	unsigned char in[3];
	struct buf buf;

	buf_init(&buf, 4);
	for (unsigned i = 0; i < 256; i++) {
		in[0] = (unsigned char)i;
		check_group(&buf, in, 1);
	}
	for (unsigned i = 0; i < 65536; i++) {
		in[0] = (unsigned char)(i >> 8);
		in[1] = (unsigned char)i;
		check_group(&buf, in, 2);
		/* An odd factor: each value of each byte occurs. */
		in[2] = (unsigned char)(i * 167 >> 5);
		check_group(&buf, in, 3);
	}
	buf_free(&buf);
}

TEST("of all groups of four digits and pads, as many decode as there are inputs")
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
	unsigned long decoded[4] = { 0 };
	struct buf buf;
	char in[4];

	buf_init(&buf, 3);
	for (size_t a = 0; a < 65; a++)
		for (size_t b = 0; b < 65; b++)
			for (size_t c = 0; c < 65; c++)
				for (size_t d = 0; d < 65; d++) {
					/* Of the groups without a pad, every 16th: time. */
					if (c < 64 && d < 64 && (a + b + c + d) % 16 != 0)
						continue;
					in[0] = alphabet[a];
					in[1] = alphabet[b];
					in[2] = alphabet[c];
					in[3] = alphabet[d];
					buf.len = 0;
					if (buf_base64_decode(&buf, (struct str){ in, 4 }) == 0)
						decoded[buf.len]++;
				}
	CHECK_INT(decoded[0], 0);
	CHECK_INT(decoded[1], 256);
	CHECK_INT(decoded[2], 65536);
	CHECK_INT(decoded[3], 64 * 64 * 64 * 64 / 16);
	CHECK(!buf.failed);
	buf_free(&buf);
}

TEST("a byte that is no digit is refused at every place of a group")
{
	struct buf buf;

	buf_init(&buf, 100);
	for (int c = 0; c < 256; c++)
		for (int place = 0; place < 8; place++) {
			bool digit = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
				     (c >= 'a' && c <= 'z') || c == '+' || c == '/';
			char in[8] = "QUJDREVG";

			/* "=" at the end is no foreign byte, but "F=" has bits too many. */
			in[place] = (char)c;
			buf.len = 0;
			CHECK_INT(buf_base64_decode(&buf, (struct str){ in, 8 }),
				  digit ? 0 : -EINVAL);
			CHECK_INT(buf.len, digit ? 6 : 0);
		}
	buf_free(&buf);
}

TEST("base64 that is not canonical is refused, and is not a failed append")
{
	static const char *const bad[] = {
		"A", "AA", "AAA", "AAAAA", "=", "==", "===", "====", "A===", "=AAA", "A=AA", "AA=A",
		"AB==", "AAB=", "AA==AAAA", "AAA=AAAA", "AAAA====", "AAAAA===", "AAAA=", "AAAA==",
		"AAAA\n", "AA A", " AAA", "AA-_", "AAAAAAA", "AAAA AAAA", "AA\r\nAA==",
	};
	struct buf buf;

	buf_init(&buf, 100);
	buf_puts(&buf, "kept");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(buf_base64_decode(&buf, str_of(bad[i])), -EINVAL);
	CHECK_INT(buf_base64_decode(&buf, STR("AA\0=")), -EINVAL);
	CHECK(!buf.failed);
	CHECK(str_is(buf_str(&buf), "kept"));
	buf_free(&buf);
}

TEST("base64 fills a buffer to its last byte and refuses one more")
{
	struct buf buf;

	buf_init(&buf, 8);
	CHECK_INT(buf_base64_encode(&buf, STR("123456")), 0);
	CHECK_INT(buf_base64_encode(&buf, STR("")), 0);
	CHECK_INT(buf_base64_encode(&buf, STR("1")), -ENOSPC);
	CHECK(buf.failed);
	CHECK(str_is(buf_str(&buf), "MTIzNDU2"));
	buf_free(&buf);
	buf_init(&buf, 5);
	CHECK_INT(buf_base64_decode(&buf, STR("MTIzNDU=")), 0);
	CHECK(str_is(buf_str(&buf), "12345"));
	CHECK_INT(buf_base64_decode(&buf, STR("")), 0);
	CHECK(!buf.failed);
	CHECK_INT(buf_base64_decode(&buf, STR("MQ==")), -ENOSPC);
	CHECK(buf.failed);
	buf_free(&buf);
	/* A length whose base64 no size_t holds; nothing of it is read. */
	buf_init(&buf, SIZE_MAX);
	memory_fails = true;
	CHECK(buf_base64_encode(&buf, (struct str){ "x", SIZE_MAX }) < 0);
	memory_fails = false;
	buf_free(&buf);
}

/* UTF-8 the other way round: encodes every code point there is, so it knows all sequences. */
static size_t slow_utf8(uint32_t c, char *out)
{
	static const uint32_t ends[] = { 0x80, 0x800, 0x10000, 0x110000 };
	static const unsigned char marks[] = { 0, 0xc0, 0xe0, 0xf0 };
	size_t n = 1;

	while (c >= ends[n - 1])
		n++;
	for (size_t i = n; i-- > 1; c /= 64)
		out[i] = (char)(0x80 + c % 64);
	out[0] = (char)(marks[n - 1] + c);
	return n;
}

TEST("every code point but the surrogates is a sequence of its length, also when more follows")
{
	for (uint32_t c = 0; c < 0x110000; c++) {
		char text[8] = "........";
		size_t n = slow_utf8(c, text), expected = c >= 0xd800 && c < 0xe000 ? 0 : n;

		if (utf8_sequence((struct str){ text, n }) != expected ||
		    utf8_sequence((struct str){ text, 8 }) != expected ||
		    utf8_valid((struct str){ text, 8 }) != (expected != 0))
			CHECK_INT(c, -1);
		if (n > 1 && utf8_sequence((struct str){ text, n - 1 }) != 0)
			CHECK_INT(c, -2);
	}
	CHECK_INT(utf8_sequence((struct str){ NULL, 0 }), 0);
}

TEST("of all one to three bytes, only the encoded code points are sequences")
{
	/* Counted: 128 of one byte, 1920 of two, 63488 - 2048 of three, times what may follow. */
	unsigned long one = 0, two = 0, three = 0, valid = 0;

	for (uint32_t i = 0; i < 1 << 24; i++) {
		char text[3] = { (char)(i >> 16), (char)(i >> 8), (char)i };
		size_t n = utf8_sequence((struct str){ text, 3 });

		one += n == 1;
		two += n == 2;
		three += n == 3;
		if (n > 0 && i % 7 == 0)
			valid += utf8_valid((struct str){ text, n });
	}
	CHECK_INT(one, 128 * 65536);
	CHECK_INT(two, 1920 * 256);
	CHECK_INT(three, 63488 - 2048);
	CHECK(valid > 1000000);
}

TEST("of all four bytes with a lead of four, only the encoded code points are sequences")
{
	unsigned long four = 0;

	/* The last two bytes need only their classes: below, within and above 80 to BF. */
	static const unsigned char edges[] = { 0x00, 0x7f, 0x80, 0x9f, 0xbf, 0xc0, 0xff };

	for (unsigned a = 0xf0; a < 0x100; a++)
		for (unsigned b = 0; b < 0x100; b++)
			for (size_t c = 0; c < sizeof(edges); c++)
				for (size_t d = 0; d < sizeof(edges); d++) {
					char text[4] = { (char)a, (char)b, (char)edges[c],
							 (char)edges[d] };

					four += utf8_sequence((struct str){ text, 4 }) == 4;
				}
	/* 0x100000 code points, of which each 4096 share the first two bytes; 3 * 3 of 64 * 64. */
	CHECK_INT(four, 0x100000 / 4096 * 9);
}

TEST("valid text is told from invalid whatever stands around it")
{
	char text[40];

	/* One bad byte or one good sequence at every place: the eight-byte steps miss none. */
	for (size_t len = 1; len < sizeof(text); len++)
		for (size_t i = 0; i < len; i++) {
			memset(text, 'a', sizeof(text));
			text[i] = '\x80';
			CHECK(!utf8_valid((struct str){ text, len }));
			text[i] = '\xff';
			CHECK(!utf8_valid((struct str){ text, len }));
			text[i] = '\xc3';
			CHECK(!utf8_valid((struct str){ text, len }));
			text[i + 1 < sizeof(text) ? i + 1 : i] = '\xa4';
			CHECK_INT(utf8_valid((struct str){ text, len }), i + 1 < len);
		}
	CHECK(utf8_valid((struct str){ NULL, 0 }));
	CHECK(utf8_valid(STR("\0")));
}

TEST("a number is taken from what the kernel writes, and never wraps round")
{
	const char *text = "  12 0345\n-6 18446744073709551615 18446744073709551616 99999999999999999999";

	CHECK(text_number(&text) == 12);
	CHECK(text_number(&text) == 345);
	CHECK_INT(*text, '\n');
	CHECK(text_number(&text) == 0);
	CHECK_INT(*text, '\n');
	text++;
	CHECK(text_number(&text) == 0);
	CHECK_INT(*text++, '-');
	CHECK(text_number(&text) == 6);
	CHECK(text_number(&text) == UINT64_MAX);
	CHECK(text_number(&text) == UINT64_MAX);
	CHECK(text_number(&text) == UINT64_MAX);
	CHECK_INT(*text, '\0');
	CHECK(text_number(&text) == 0);
}

TEST("all that a descriptor gives is read, up to the maximum, and ends with NUL")
{
	char block[5000];
	struct buf buf;
	int ends[2];

	memset(block, 'x', sizeof(block));
	CHECK_INT(pipe(ends), 0);
	CHECK_INT(write(ends[1], block, sizeof(block)), sizeof(block));
	close(ends[1]);
	buf_init(&buf, 1 << 20);
	buf_puts(&buf, "before ");
	CHECK_INT(buf_read(&buf, ends[0]), 0);
	CHECK_INT(buf.len, 7 + sizeof(block));
	CHECK(buf.data && strlen(buf.data) == buf.len && !memcmp(buf.data + 7, block, sizeof(block)));
	CHECK_INT(buf_read(&buf, ends[0]), 0);
	CHECK_INT(buf.len, 7 + sizeof(block));
	close(ends[0]);
	CHECK_INT(buf_read(&buf, -1), -EBADF);
	buf_free(&buf);

	int zeros = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	buf_init(&buf, 10000);
	CHECK_INT(buf_read(&buf, zeros), -ENOSPC);
	CHECK(buf.failed && buf.len <= 10000);
	buf_free(&buf);
	close(zeros);
}

TEST_MAIN()
