/* needs: buf.c */
/* token.c's tests: digests of the standard, and what is and is not a token */
#include "../../token.c"

#include <sys/mman.h>

#include "test.h"

static bool digest_is(struct str text, const char *hex)
{
	uint8_t digest[DIGEST_LEN];
	char shown[2 * DIGEST_LEN + 1];

	token_digest(text, digest);
	for (size_t i = 0; i < DIGEST_LEN; i++)
		snprintf(shown + 2 * i, 3, "%02x", digest[i]);
	return !strcmp(shown, hex);
}

/* Messages and digests: FIPS 180-4's examples (csrc.nist.gov, SHA256.pdf and the additional ones). */
TEST("SHA-256 of the standard's examples")
{
	static char million[1000000], zeros[1000000];

	memset(million, 'a', sizeof(million));
	CHECK(digest_is(STR(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
	CHECK(digest_is(STR("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
	CHECK(digest_is(STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
	    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"));
	CHECK(digest_is(STR("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
	    "lmnopqrsmnopqrstnopqrstu"),
	    "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"));
	CHECK(digest_is((struct str){ million, sizeof(million) },
	    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
	CHECK(digest_is(STR("\xbd"), "68325720aabd7c82f30f554b313d0570c95accbb7dc4b5aae11204c08ffe732b"));
	CHECK(digest_is(STR("\xc9\x8c\x8e\x55"), "7abc22c0ae5af26ce93dbb94433a0e0b2e119d014f8e7f65bd56c61ccccd9504"));
	/* Zeros, of each length about the end of a block. */
	CHECK(digest_is((struct str){ zeros, 55 }, "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7"));
	CHECK(digest_is((struct str){ zeros, 56 }, "d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb"));
	CHECK(digest_is((struct str){ zeros, 57 }, "65a16cb7861335d5ace3c60718b5052e44660726da4cd13bb745381b235a1785"));
	CHECK(digest_is((struct str){ zeros, 64 }, "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b"));
	CHECK(digest_is((struct str){ zeros, 1000 }, "541b3e9daa09b20bf85fa273e5cbd3e80185aa4ec298e765db87742b70138a53"));
	CHECK(digest_is((struct str){ zeros, 1000000 },
	    "d29751f2649b32ff572b5e0a9f541ea660a50f94ff0beedfb0b692b924cc8025"));
}

TEST("a token is known by itself alone")
{
	struct message_tokens tokens = { .len = 0 };

	CHECK(!token_known(&tokens, STR("")));
	CHECK_INT(token_add(&tokens, STR("secret")), 0);
	CHECK_INT(token_add(&tokens, STR("other")), 0);
	CHECK(token_known(&tokens, STR("secret")));
	CHECK(token_known(&tokens, STR("other")));
	CHECK(!token_known(&tokens, STR("secre")));
	CHECK(!token_known(&tokens, STR("secretx")));
	CHECK(!token_known(&tokens, STR(" secret")));
	CHECK(!token_known(&tokens, STR("Secret")));
	CHECK(!token_known(&tokens, STR("")));
	CHECK(!token_known(&tokens, STR("secret\0")));
}

TEST("a digest that differs in one byte is another token's")
{
	struct message_tokens tokens = { .len = 0 };

	CHECK_INT(token_add(&tokens, STR("secret")), 0);
	for (size_t i = 0; i < DIGEST_LEN; i++) {
		tokens.digests[0][i] ^= 1;
		CHECK(!token_known(&tokens, STR("secret")));
		tokens.digests[0][i] ^= 1;
	}
	CHECK(token_known(&tokens, STR("secret")));
}

TEST("more tokens said than there is room for are not read")
{
	struct message_tokens tokens = { .len = UINT32_MAX };

	CHECK(!token_known(&tokens, STR("secret")));
}

TEST("white space around a token is not part of it, within it is no token")
{
	struct message_tokens tokens = { .len = 0 };

	CHECK_INT(token_add(&tokens, STR(" \ta\r\n")), 0);
	CHECK(token_known(&tokens, STR("a")));
	CHECK_INT(token_add(&tokens, STR("a b")), -EINVAL);
	CHECK_INT(token_add(&tokens, STR("a\x7f")), -EINVAL);
	CHECK_INT(token_add(&tokens, STR("\xc3\xa9")), -EINVAL);
	CHECK_INT(token_add(&tokens, STR("a\0b")), -EINVAL);
	CHECK_INT(token_add(&tokens, STR("")), -EINVAL);
	CHECK_INT(token_add(&tokens, STR(" \n")), -EINVAL);
	CHECK_INT(tokens.len, 1);
}

TEST("a NUL at either end of a token is not taken for white space")
{
	struct message_tokens tokens = { .len = 0 };

	CHECK_INT(token_add(&tokens, STR("a\0")), -EINVAL);
	CHECK_INT(token_add(&tokens, STR("\0a")), -EINVAL);
	CHECK_INT(tokens.len, 0);
}

TEST("a token has at most 4096 bytes, and there are at most 64")
{
	struct message_tokens tokens = { .len = 0 };
	static char text[TOKEN_MAX + 1];

	memset(text, 'x', sizeof(text));
	CHECK_INT(token_add(&tokens, (struct str){ text, TOKEN_MAX + 1 }), -EINVAL);
	CHECK_INT(token_add(&tokens, (struct str){ text, TOKEN_MAX }), 0);
	for (size_t i = 1; i < TOKENS_MAX; i++)
		CHECK_INT(token_add(&tokens, (struct str){ text, i }), 0);
	CHECK_INT(token_add(&tokens, STR("one-more")), -ENOSPC);
	CHECK(token_known(&tokens, (struct str){ text, TOKENS_MAX - 1 }));
}

static int read_text(struct message_tokens *tokens, const char *text, size_t len)
{
	int fd = memfd_create("tokens", MFD_CLOEXEC);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET))
		return -1000;
	int error = token_read(fd, tokens);
	close(fd);
	return error;
}

TEST("a file has a token a line; empty lines and comments are none")
{
	static const char text[] = "# ours\n\none\n  two  \r\n\t\n   # three\nfour";
	struct message_tokens tokens = { .len = 0 };

	CHECK_INT(read_text(&tokens, text, sizeof(text) - 1), 0);
	CHECK_INT(tokens.len, 3);
	CHECK(token_known(&tokens, STR("one")) && token_known(&tokens, STR("two")) && token_known(&tokens, STR("four")));
	CHECK(!token_known(&tokens, STR("# ours")) && !token_known(&tokens, STR("three")));
}

TEST("a file without a token, with a bad one, or too long is an error")
{
	static char large[TOKEN_FILE_MAX + 1];
	struct message_tokens tokens = { .len = 0 };

	memset(large, '\n', sizeof(large));
	CHECK_INT(read_text(&tokens, "", 0), -EINVAL);
	CHECK_INT(read_text(&tokens, "# only this\n", 12), -EINVAL);
	CHECK_INT(read_text(&tokens, "a b\n", 4), -EINVAL);
	CHECK_INT(read_text(&tokens, large, sizeof(large)), -EFBIG);
	CHECK_INT(token_read(-1, &tokens), -EBADF);
	CHECK_INT(tokens.len, 0);
}

TEST_MAIN()
