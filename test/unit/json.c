/* needs: buf.c */
/* The JSON of RFC 8259: what is accepted, what is refused and where, what hostile text costs. */
#include <stdbool.h>
#include <stdlib.h>

static void *test_malloc(size_t size);
static void *test_calloc(size_t n, size_t size);
#define malloc test_malloc
#define calloc test_calloc
#include "../../json.c"
#undef malloc
#undef calloc

#include "test.h"

#include <regex.h>
#include <time.h>

/* What json.c has asked for since these were last set to 0, all of it taken together. */
static size_t allocated, allocations;
static bool malloc_fails, calloc_fails;

static void *test_malloc(size_t size)
{
	allocated += size;
	allocations++;
	return malloc_fails ? NULL : malloc(size);
}

static void *test_calloc(size_t n, size_t size)
{
	allocated += n * size;
	allocations++;
	return calloc_fails ? NULL : calloc(n, size);
}

/* The text in memory of exactly its length, so that a sanitizer sees a step beyond it; and freed
 * before the tree is looked at. */
static struct json *parse(struct str text, struct json_error *error)
{
	char *copy = (malloc)(text.len ? text.len : 1);
	struct json *json;

	if (!copy)
		abort();
	if (text.len)
		memcpy(copy, text.data, text.len);
	json = json_parse((struct str){ copy, text.len }, error);
	free(copy);
	return json;
}

static enum json_fault fault_of(struct str text)
{
	struct json_error error;
	struct json *json = parse(text, &error);

	CHECK((json != NULL) == (error.fault == JSON_OK));
	CHECK(error.offset <= text.len);
	CHECK((error.reason[0] == '\0') == (json != NULL));
	json_free(json);
	return error.fault;
}

/* n bytes, which the caller frees. */
static char *repeat(const char *pattern, size_t n)
{
	size_t len = strlen(pattern);
	char *text = malloc(n + 1);

	if (!text)
		abort();
	for (size_t i = 0; i < n; i++)
		text[i] = pattern[i % len];
	text[n] = '\0';
	return text;
}

static double seconds(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

struct verdict {
	const char *name;
	struct str text;
	enum json_fault fault;
};

#define YES(name, text) { "y_" name, { text, sizeof(text) - 1 }, JSON_OK }
#define NO(name, text) { "n_" name, { text, sizeof(text) - 1 }, JSON_INVALID }
#define OURS(name, text, fault) { name, { text, sizeof(text) - 1 }, fault }

/* Named as in JSONTestSuite, whose rules these are: y must be accepted, n refused. */
static const struct verdict accepted[] = {
	YES("array_arraysWithSpaces", "[[]   ]"),
	YES("array_empty", "[]"),
	YES("array_empty-string", "[\"\"]"),
	YES("array_ending_with_newline", "[\"a\"]\n"),
	YES("array_false", "[false]"),
	YES("array_heterogeneous", "[null, 1, \"1\", {}]"),
	YES("array_null", "[null]"),
	YES("array_with_1_and_newline", "[1\n]"),
	YES("array_with_leading_space", " [1]"),
	YES("array_with_several_null", "[1,null,null,null,2]"),
	YES("array_with_trailing_space", "[2] "),
	YES("number", "[123e65]"),
	YES("number_0e+1", "[0e+1]"),
	YES("number_0e1", "[0e1]"),
	YES("number_after_space", "[ 4]"),
	YES("number_double_close_to_zero", "[-0.00000000000000000000000000000000000000000000001]"),
	YES("number_int_with_exp", "[20e1]"),
	YES("number_minus_zero", "[-0]"),
	YES("number_negative_int", "[-123]"),
	YES("number_negative_one", "[-1]"),
	YES("number_real_capital_e", "[1E22]"),
	YES("number_real_capital_e_neg_exp", "[1E-2]"),
	YES("number_real_capital_e_pos_exp", "[1E+2]"),
	YES("number_real_exponent", "[123e45]"),
	YES("number_real_fraction_exponent", "[123.456e78]"),
	YES("number_real_neg_exp", "[1e-2]"),
	YES("number_real_pos_exponent", "[1e+2]"),
	YES("number_simple_int", "[123]"),
	YES("number_simple_real", "[123.456789]"),
	YES("object", "{\"asd\":\"sdf\", \"dfg\":\"fgh\"}"),
	YES("object_basic", "{\"asd\":\"sdf\"}"),
	YES("object_empty", "{}"),
	YES("object_empty_key", "{\"\":0}"),
	YES("object_escaped_null_in_key", "{\"foo\\u0000bar\": 42}"),
	YES("object_extreme_numbers", "{ \"min\": -1.0e+28, \"max\": 1.0e+28 }"),
	YES("object_long_strings",
	    "{\"x\":[{\"id\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}], "
	    "\"id\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}"),
	YES("object_simple", "{\"a\":[]}"),
	YES("object_string_unicode",
	    "{\"title\":\"\\u041f\\u043e\\u043b\\u0442\\u043e\\u0440\\u0430\"}"),
	YES("object_with_newlines", "{\n\"a\": \"b\"\n}"),
	YES("string_1_2_3_bytes_UTF-8_sequences", "[\"\\u0060\\u012a\\u12AB\"]"),
	YES("string_accepted_surrogate_pair", "[\"\\uD801\\udc37\"]"),
	YES("string_accepted_surrogate_pairs", "[\"\\ud83d\\ude39\\ud83d\\udc8d\"]"),
	YES("string_allowed_escapes", "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"),
	YES("string_backslash_and_u_escaped_zero", "[\"\\\\u0000\"]"),
	YES("string_backslash_doublequotes", "[\"\\\"\"]"),
	YES("string_comments", "[\"a/*b*/c/*d//e\"]"),
	YES("string_double_escape_a", "[\"\\\\a\"]"),
	YES("string_double_escape_n", "[\"\\\\n\"]"),
	YES("string_escaped_control_character", "[\"\\u0012\"]"),
	YES("string_escaped_noncharacter", "[\"\\uFFFF\"]"),
	YES("string_in_array", "[\"asd\"]"),
	YES("string_in_array_with_leading_space", "[ \"asd\"]"),
	YES("string_last_surrogates_1_and_2", "[\"\\uDBFF\\uDFFF\"]"),
	YES("string_nbsp_uescaped", "[\"new\\u00A0line\"]"),
	YES("string_nonCharacterInUTF-8_U+10FFFF", "[\"\xf4\x8f\xbf\xbf\"]"),
	YES("string_nonCharacterInUTF-8_U+FFFF", "[\"\xef\xbf\xbf\"]"),
	YES("string_null_escape", "[\"\\u0000\"]"),
	YES("string_one-byte-utf-8", "[\"\\u002c\"]"),
	YES("string_pi", "[\"\xcf\x80\"]"),
	YES("string_reservedCharacterInUTF-8_U+1BFFF", "[\"\xf0\x9b\xbf\xbf\"]"),
	YES("string_simple_ascii", "[\"asd \"]"),
	YES("string_space", "\" \""),
	YES("string_surrogates_U+1D11E_MUSICAL_SYMBOL_G_CLEF", "[\"\\uD834\\uDd1e\"]"),
	YES("string_three-byte-utf-8", "[\"\\u0821\"]"),
	YES("string_two-byte-utf-8", "[\"\\u0123\"]"),
	YES("string_u+2028_line_sep", "[\"\xe2\x80\xa8\"]"),
	YES("string_u+2029_par_sep", "[\"\xe2\x80\xa9\"]"),
	YES("string_uEscape", "[\"\\u0061\\u30af\\u30EA\\u30b9\"]"),
	YES("string_uescaped_newline", "[\"new\\u000Aline\"]"),
	YES("string_unescaped_char_delete", "[\"\x7f\"]"),
	YES("string_unicode", "[\"\\uA66D\"]"),
	YES("string_unicodeEscapedBackslash", "[\"\\u005C\"]"),
	YES("string_unicode_2", "[\"\xe2\x8d\x82\xe3\x88\xb4\xe2\x8d\x82\"]"),
	YES("string_unicode_U+10FFFE_nonchar", "[\"\\uDBFF\\uDFFE\"]"),
	YES("string_unicode_U+1FFFE_nonchar", "[\"\\uD83F\\uDFFE\"]"),
	YES("string_unicode_U+200B_ZERO_WIDTH_SPACE", "[\"\\u200B\"]"),
	YES("string_unicode_U+2064_invisible_plus", "[\"\\u2064\"]"),
	YES("string_unicode_U+FDD0_nonchar", "[\"\\uFDD0\"]"),
	YES("string_unicode_U+FFFE_nonchar", "[\"\\uFFFE\"]"),
	YES("string_unicode_escaped_double_quote", "[\"\\u0022\"]"),
	YES("string_utf8", "[\"\xe2\x82\xac\xf0\x9d\x84\x9e\"]"),
	YES("string_with_del_character", "[\"a\x7f" "a\"]"),
	YES("structure_lonely_false", "false"),
	YES("structure_lonely_int", "42"),
	YES("structure_lonely_negative_real", "-0.1"),
	YES("structure_lonely_null", "null"),
	YES("structure_lonely_string", "\"asd\""),
	YES("structure_lonely_true", "true"),
	YES("structure_string_empty", "\"\""),
	YES("structure_trailing_newline", "[\"a\"]\n"),
	YES("structure_true_in_array", "[true]"),
	YES("structure_whitespace_array", " [] "),
};

static const struct verdict refused[] = {
	NO("array_1_true_without_comma", "[1 true]"),
	NO("array_a_invalid_utf8", "[a\xe5]"),
	NO("array_colon_instead_of_comma", "[\"\": 1]"),
	NO("array_comma_after_close", "[\"\"],"),
	NO("array_comma_and_number", "[,1]"),
	NO("array_double_comma", "[1,,2]"),
	NO("array_double_extra_comma", "[\"x\",,]"),
	NO("array_extra_close", "[\"x\"]]"),
	NO("array_extra_comma", "[\"\",]"),
	NO("array_incomplete", "[\"x\""),
	NO("array_incomplete_invalid_value", "[x"),
	NO("array_inner_array_no_comma", "[3[4]]"),
	NO("array_invalid_utf8", "[\xff]"),
	NO("array_items_separated_by_semicolon", "[1:2]"),
	NO("array_just_comma", "[,]"),
	NO("array_just_minus", "[-]"),
	NO("array_missing_value", "[   , \"\"]"),
	NO("array_newlines_unclosed", "[\"a\",\n4\n,1,"),
	NO("array_number_and_comma", "[1,]"),
	NO("array_number_and_several_commas", "[1,,]"),
	NO("array_spaces_vertical_tab_formfeed", "[\"\va\"\\f]"),
	NO("array_star_inside", "[*]"),
	NO("array_unclosed", "[\"\""),
	NO("array_unclosed_trailing_comma", "[1,"),
	NO("array_unclosed_with_new_lines", "[1,\n1\n,1"),
	NO("array_unclosed_with_object_inside", "[{}"),
	NO("incomplete_false", "[fals]"),
	NO("incomplete_null", "[nul]"),
	NO("incomplete_true", "[tru]"),
	NO("multidigit_number_then_00", "123\0"),
	NO("number_++", "[++1234]"),
	NO("number_+1", "[+1]"),
	NO("number_+Inf", "[+Inf]"),
	NO("number_-01", "[-01]"),
	NO("number_-1.0.", "[-1.0.]"),
	NO("number_-2.", "[-2.]"),
	NO("number_-NaN", "[-NaN]"),
	NO("number_.-1", "[.-1]"),
	NO("number_.2e-3", "[.2e-3]"),
	NO("number_0.1.2", "[0.1.2]"),
	NO("number_0.3e+", "[0.3e+]"),
	NO("number_0.3e", "[0.3e]"),
	NO("number_0.e1", "[0.e1]"),
	NO("number_0_capital_E+", "[0E+]"),
	NO("number_0_capital_E", "[0E]"),
	NO("number_0e+", "[0e+]"),
	NO("number_0e", "[0e]"),
	NO("number_1.0e+", "[1.0e+]"),
	NO("number_1.0e-", "[1.0e-]"),
	NO("number_1.0e", "[1.0e]"),
	NO("number_1_000", "[1 000.0]"),
	NO("number_1eE2", "[1eE2]"),
	NO("number_2.e+3", "[2.e+3]"),
	NO("number_2.e-3", "[2.e-3]"),
	NO("number_2.e3", "[2.e3]"),
	NO("number_9.e+", "[9.e+]"),
	NO("number_Inf", "[Inf]"),
	NO("number_NaN", "[NaN]"),
	NO("number_U+FF11_fullwidth_digit_one", "[\xef\xbc\x91]"),
	NO("number_expression", "[1+2]"),
	NO("number_hex_1_digit", "[0x1]"),
	NO("number_hex_2_digits", "[0x42]"),
	NO("number_infinity", "[Infinity]"),
	NO("number_invalid+-", "[0e+-1]"),
	NO("number_invalid-negative-real", "[-123.123foo]"),
	NO("number_invalid-utf-8-in-bigger-int", "[123\xe5]"),
	NO("number_invalid-utf-8-in-exponent", "[1e1\xe5]"),
	NO("number_invalid-utf-8-in-int", "[0\xe5]\n"),
	NO("number_minus_infinity", "[-Infinity]"),
	NO("number_minus_sign_with_trailing_garbage", "[-foo]"),
	NO("number_minus_space_1", "[- 1]"),
	NO("number_neg_int_starting_with_zero", "[-012]"),
	NO("number_neg_real_without_int_part", "[-.123]"),
	NO("number_neg_with_garbage_at_end", "[-1x]"),
	NO("number_real_garbage_after_e", "[1ea]"),
	NO("number_real_with_invalid_utf8_after_e", "[1e\xe5]"),
	NO("number_real_without_fractional_part", "[1.]"),
	NO("number_starting_with_dot", "[.123]"),
	NO("number_with_alpha", "[1.2a-3]"),
	NO("number_with_alpha_char", "[1.8011670033376514H-308]"),
	NO("number_with_leading_zero", "[012]"),
	NO("object_bad_value", "[\"x\", truth]"),
	NO("object_bracket_key", "{[: \"x\"}\n"),
	NO("object_comma_instead_of_colon", "{\"x\", null}"),
	NO("object_double_colon", "{\"x\"::\"b\"}"),
	NO("object_emoji", "{\xf0\x9f\x87\xa8\xf0\x9f\x87\xad}"),
	NO("object_garbage_at_end", "{\"a\":\"a\" 123}"),
	NO("object_key_with_single_quotes", "{key: 'value'}"),
	NO("object_lone_continuation_byte_in_key_and_trailing_comma", "{\"\xb9\":\"0\",}"),
	NO("object_missing_colon", "{\"a\" b}"),
	NO("object_missing_key", "{:\"b\"}"),
	NO("object_missing_semicolon", "{\"a\" \"b\"}"),
	NO("object_missing_value", "{\"a\":"),
	NO("object_no-colon", "{\"a\""),
	NO("object_non_string_key", "{1:1}"),
	NO("object_non_string_key_but_huge_number_instead", "{9999E9999:1}"),
	NO("object_repeated_null_null", "{null:null,null:null}"),
	NO("object_several_trailing_commas", "{\"id\":0,,,,,}"),
	NO("object_single_quote", "{'a':0}"),
	NO("object_trailing_comma", "{\"id\":0,}"),
	NO("object_trailing_comment", "{\"a\":\"b\"}/**/"),
	NO("object_trailing_comment_open", "{\"a\":\"b\"}/**//"),
	NO("object_trailing_comment_slash_open", "{\"a\":\"b\"}//"),
	NO("object_trailing_comment_slash_open_incomplete", "{\"a\":\"b\"}/"),
	NO("object_two_commas_in_a_row", "{\"a\":\"b\",,\"c\":\"d\"}"),
	NO("object_unquoted_key", "{a: \"b\"}"),
	NO("object_unterminated-value", "{\"a\":\"a"),
	NO("object_with_single_string", "{ \"foo\" : \"bar\", \"a\" }"),
	NO("object_with_trailing_garbage", "{\"a\":\"b\"}#"),
	NO("single_space", " "),
	NO("string_1_surrogate_then_escape", "[\"\\uD800\\\"]"),
	NO("string_1_surrogate_then_escape_u", "[\"\\uD800\\u\"]"),
	NO("string_1_surrogate_then_escape_u1", "[\"\\uD800\\u1\"]"),
	NO("string_1_surrogate_then_escape_u1x", "[\"\\uD800\\u1x\"]"),
	NO("string_accentuated_char_no_quotes", "[\xc3\xa9]"),
	NO("string_backslash_00", "[\"\\\0\"]"),
	NO("string_escape_x", "[\"\\x00\"]"),
	NO("string_escaped_backslash_bad", "[\"\\\\\\\"]"),
	NO("string_escaped_ctrl_char_tab", "[\"\\\t\"]"),
	NO("string_escaped_emoji", "[\"\\\xf0\x9f\x8c\x80\"]"),
	NO("string_incomplete_escape", "[\"\\\"]"),
	NO("string_incomplete_escaped_character", "[\"\\u00A\"]"),
	NO("string_incomplete_surrogate", "[\"\\uD834\\uDd\"]"),
	NO("string_incomplete_surrogate_escape_invalid", "[\"\\uD800\\uD800\\x\"]"),
	NO("string_invalid-utf-8-in-escape", "[\"\\u\xe5\"]"),
	NO("string_invalid_backslash_esc", "[\"\\a\"]"),
	NO("string_invalid_unicode_escape", "[\"\\uqqqq\"]"),
	NO("string_invalid_utf8_after_escape", "[\"\\\xe5\"]"),
	NO("string_leading_uescaped_thinspace", "[\\u0020\"asd\"]"),
	NO("string_no_quotes_with_bad_escape", "[\\n]"),
	NO("string_single_doublequote", "\""),
	NO("string_single_quote", "['single quote']"),
	NO("string_single_string_no_double_quotes", "abc"),
	NO("string_start_escape_unclosed", "[\"\\"),
	NO("string_unescaped_ctrl_char", "[\"a\0a\"]"),
	NO("string_unescaped_newline", "[\"new\nline\"]"),
	NO("string_unescaped_tab", "[\"\t\"]"),
	NO("string_unicode_CapitalU", "\"\\UA66D\""),
	NO("string_with_trailing_garbage", "\"\"x"),
	NO("structure_U+2060_word_joined", "[\xe2\x81\xa0]"),
	NO("structure_UTF8_BOM_no_data", "\xef\xbb\xbf"),
	NO("structure_angle_bracket_.", "<.>"),
	NO("structure_angle_bracket_null", "[<null>]"),
	NO("structure_array_trailing_garbage", "[1]x"),
	NO("structure_array_with_extra_array_close", "[1]]"),
	NO("structure_array_with_unclosed_string", "[\"asd]"),
	NO("structure_ascii-unicode-identifier", "a\xc3\xa5"),
	NO("structure_capitalized_True", "[True]"),
	NO("structure_close_unopened_array", "1]"),
	NO("structure_comma_instead_of_closing_brace", "{\"x\": true,"),
	NO("structure_double_array", "[][]"),
	NO("structure_end_array", "]"),
	NO("structure_incomplete_UTF8_BOM", "\xef\xbb{}"),
	NO("structure_lone-invalid-utf-8", "\xe5"),
	NO("structure_lone-open-bracket", "["),
	NO("structure_no_data", ""),
	NO("structure_null-byte-outside-string", "[\0]"),
	NO("structure_number_with_trailing_garbage", "2@"),
	NO("structure_object_followed_by_closing_object", "{}}"),
	NO("structure_object_unclosed_no_value", "{\"\":"),
	NO("structure_object_with_comment", "{\"a\":/*comment*/\"b\"}"),
	NO("structure_object_with_trailing_garbage", "{\"a\": true} \"x\""),
	NO("structure_open_array_apostrophe", "['"),
	NO("structure_open_array_comma", "[,"),
	NO("structure_open_array_open_object", "[{"),
	NO("structure_open_array_open_string", "[\"a"),
	NO("structure_open_array_string", "[\"a\""),
	NO("structure_open_object", "{"),
	NO("structure_open_object_close_array", "{]"),
	NO("structure_open_object_comma", "{,"),
	NO("structure_open_object_open_array", "{["),
	NO("structure_open_object_open_string", "{\"a"),
	NO("structure_open_object_string_with_apostrophes", "{'a'"),
	NO("structure_open_open", "[\"\\{[\"\\{[\"\\{[\"\\{"),
	NO("structure_single_eacute", "\xe9"),
	NO("structure_single_star", "*"),
	NO("structure_trailing_#", "{\"a\":\"b\"}#{}"),
	NO("structure_uescaped_LF_before_string", "[\\u000A\"\"]"),
	NO("structure_unclosed_array", "[1"),
	NO("structure_unclosed_array_partial_null", "[ false, nul"),
	NO("structure_unclosed_array_unfinished_false", "[ true, fals"),
	NO("structure_unclosed_array_unfinished_true", "[ false, tru"),
	NO("structure_unclosed_object", "{\"asd\":\"asd\""),
	NO("structure_unicode-identifier", "\xc3\xa5"),
	NO("structure_whitespace_U+2060_word_joiner", "\xe2\x81\xa0"),
	NO("structure_whitespace_formfeed", "[\f]"),
};

/* What RFC 8259 leaves to us; docs/json.md has it in words. The duplicate keys are y in the suite:
 * they are well-formed, and told apart from what is not. */
static const struct verdict decided[] = {
	OURS("y_object_duplicated_key", "{\"a\":\"b\",\"a\":\"c\"}", JSON_DUPLICATE_KEY),
	OURS("y_object_duplicated_key_and_value", "{\"a\":\"b\",\"a\":\"b\"}", JSON_DUPLICATE_KEY),
	OURS("i_number_double_huge_neg_exp", "[123.456e-789]", JSON_OK),
	OURS("i_number_huge_exp", "[0.4e006699999999999999999999999999999999999999]", JSON_OK),
	OURS("i_number_neg_int_huge_exp", "[-1e+9999]", JSON_OK),
	OURS("i_number_pos_double_huge_exp", "[1.5e+9999]", JSON_OK),
	OURS("i_number_real_neg_overflow", "[-123123e100000]", JSON_OK),
	OURS("i_number_real_pos_overflow", "[123123e100000]", JSON_OK),
	OURS("i_number_real_underflow", "[123e-10000000]", JSON_OK),
	OURS("i_number_too_big_neg_int", "[-123123123123123123123123123123]", JSON_OK),
	OURS("i_number_too_big_pos_int", "[100000000000000000000]", JSON_OK),
	OURS("i_number_very_big_negative_int",
	    "[-237462374673276894279832749832423479823]", JSON_OK),
	OURS("i_object_key_lone_2nd_surrogate", "{\"\\uDFAA\":0}", JSON_INVALID),
	OURS("i_string_1st_surrogate_but_2nd_missing", "[\"\\uDADA\"]", JSON_INVALID),
	OURS("i_string_1st_valid_surrogate_2nd_invalid", "[\"\\uD888\\u1234\"]", JSON_INVALID),
	OURS("i_string_UTF-16LE_with_BOM", "\xff\xfe[\0\"\0\xe9\0\"\0]\0", JSON_INVALID),
	OURS("i_string_UTF-8_invalid_sequence", "[\"\xe6\x97\xa5\xd1\x88\xfa\"]", JSON_INVALID),
	OURS("i_string_UTF8_surrogate_U+D800", "[\"\xed\xa0\x80\"]", JSON_INVALID),
	OURS("i_string_incomplete_surrogate_and_escape_valid", "[\"\\uD800\\n\"]", JSON_INVALID),
	OURS("i_string_incomplete_surrogate_pair", "[\"\\uDd1ea\"]", JSON_INVALID),
	OURS("i_string_incomplete_surrogates_escape_valid",
	    "[\"\\uD800\\uD800\\n\"]", JSON_INVALID),
	OURS("i_string_invalid_lonely_surrogate", "[\"\\ud800\"]", JSON_INVALID),
	OURS("i_string_invalid_surrogate", "[\"\\ud800abc\"]", JSON_INVALID),
	OURS("i_string_invalid_utf-8", "[\"\xff\"]", JSON_INVALID),
	OURS("i_string_inverted_surrogates_U+1D11E", "[\"\\uDd1e\\uD834\"]", JSON_INVALID),
	OURS("i_string_iso_latin_1", "[\"\xe9\"]", JSON_INVALID),
	OURS("i_string_lone_second_surrogate", "[\"\\uDFAA\"]", JSON_INVALID),
	OURS("i_string_lone_utf8_continuation_byte", "[\"\x81\"]", JSON_INVALID),
	OURS("i_string_not_in_unicode_range", "[\"\xf4\xbf\xbf\xbf\"]", JSON_INVALID),
	OURS("i_string_overlong_sequence_2_bytes", "[\"\xc0\xaf\"]", JSON_INVALID),
	OURS("i_string_overlong_sequence_6_bytes", "[\"\xfc\x83\xbf\xbf\xbf\xbf\"]", JSON_INVALID),
	OURS("i_string_overlong_sequence_6_bytes_null",
	    "[\"\xfc\x80\x80\x80\x80\x80\"]", JSON_INVALID),
	OURS("i_string_truncated-utf-8", "[\"\xe0\xff\"]", JSON_INVALID),
	OURS("i_string_utf16BE_no_BOM", "\0[\0\"\0\xe9\0\"\0]", JSON_INVALID),
	OURS("i_string_utf16LE_no_BOM", "[\0\"\0\xe9\0\"\0]\0", JSON_INVALID),
	OURS("i_structure_UTF-8_BOM_empty_object", "\xef\xbb\xbf{}", JSON_INVALID),
};

static void check_verdicts(const struct verdict *verdicts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		enum json_fault fault = fault_of(verdicts[i].text);

		if (fault != verdicts[i].fault)
			printf("# %s:\n", verdicts[i].name);
		CHECK_INT(fault, verdicts[i].fault);
	}
}

#define CHECK_VERDICTS(table) check_verdicts(table, sizeof(table) / sizeof(table[0]))

TEST("what a parser must accept is accepted")
{
	CHECK_VERDICTS(accepted);
}

TEST("what a parser must refuse is refused")
{
	CHECK_VERDICTS(refused);
}

TEST("what is left to the parser is decided as the documentation says")
{
	CHECK_VERDICTS(decided);
}

TEST("an error tells the first byte at fault, and why")
{
	static const struct {
		const char *text;
		size_t offset;
		const char *reason;
	} errors[] = {
		{ "", 0, "unexpected end" },
		{ " \n", 2, "unexpected end" },
		{ "[1,", 3, "unexpected end" },
		{ "[1", 2, "unexpected end" },
		{ "{\"a\"", 4, "unexpected end" },
		{ "{\"a\":", 5, "unexpected end" },
		{ "\"abc", 4, "unexpected end" },
		{ "\"a\\", 3, "unexpected end" },
		{ "\"a\\u00", 6, "unexpected end" },
		{ "-", 1, "unexpected end" },
		{ "1.", 2, "unexpected end" },
		{ "1e", 2, "unexpected end" },
		{ "tru", 3, "unexpected end" },
		{ "[1,]", 3, "expected a value" },
		{ "[,", 1, "expected a value" },
		{ "+1", 0, "expected a value" },
		{ "'a'", 0, "expected a value" },
		{ "\xef\xbb\xbf{}", 0, "byte order mark" },
		{ "[\xef\xbb\xbf]", 1, "expected a value" },
		{ "[truE]", 4, "unknown word" },
		{ "[1 2]", 3, "expected ',' or ']'" },
		{ "[1}", 2, "expected ',' or ']'" },
		{ "{\"a\":1]", 6, "expected ',' or '}'" },
		{ "{\"a\" 1}", 5, "expected ':'" },
		{ "{a:1}", 1, "expected a string as key" },
		{ "{\"a\":1,}", 7, "expected a string as key" },
		{ "{]", 1, "expected a string as key" },
		{ "{} {}", 3, "more after the value" },
		{ "1]", 1, "more after the value" },
		{ "[01]", 2, "leading zero in a number" },
		{ "[-00]", 3, "leading zero in a number" },
		{ "[1.e1]", 3, "expected a digit" },
		{ "[-x]", 2, "expected a digit" },
		{ "[1e+]", 4, "expected a digit" },
		{ "\"a\nb\"", 2, "control character in a string" },
		{ "\"0123456789\x1f\"", 11, "control character in a string" },
		{ "\"ab\\q\"", 4, "unknown escape" },
		{ "\"\\u00g0\"", 5, "expected a hexadecimal digit" },
		{ "\"ab\xe2\x82\"", 3, "invalid UTF-8" },
		{ "\"01234567\x80\"", 9, "invalid UTF-8" },
		{ "\"a\\ud800\"", 2, "lone surrogate" },
		{ "\"a\\udc00\\ud800\"", 2, "lone surrogate" },
		{ "\"\\ud800\\u0041\"", 1, "lone surrogate" },
		{ "\"\\udc00\\udc00\"", 1, "lone surrogate" },
		{ "\"\\udbff\\udbff\"", 1, "lone surrogate" },
		{ "\"\\ud800\\ue000\"", 1, "lone surrogate" },
		{ "\"\\ud800\\udc0x\"", 12, "expected a hexadecimal digit" },
	};

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct json_error error;

		CHECK(!parse(str_of(errors[i].text), &error));
		CHECK_INT(error.fault, JSON_INVALID);
		CHECK_INT(error.offset, errors[i].offset);
		if (strcmp(error.reason, errors[i].reason) != 0)
			printf("# %s: %s\n", errors[i].text, error.reason);
		CHECK(strcmp(error.reason, errors[i].reason) == 0);
		CHECK(error.key[0] == '\0');
	}
}

TEST("the tree has what the text has, in its order")
{
	struct str text = STR(" {\"a\" : [1, -2.5e3 ,\"x\\ny\"], \"b\\u0000\":{}, \"\":null , "
			      "\"t\":true,\"f\":false} ");
	struct json_error error;
	struct json *json = parse(text, &error);
	const struct json_value *root, *value;

	CHECK(json != NULL);
	if (!json)
		return;
	CHECK_INT(error.fault, JSON_OK);
	root = json_root(json);
	CHECK_INT(root->type, JSON_OBJECT);
	CHECK_INT(root->count, 5);
	CHECK_INT(root->offset, 1);
	CHECK(!root->next);
	CHECK_INT(root->key.len, 0);
	value = root->first;
	CHECK_INT(value->type, JSON_ARRAY);
	CHECK(str_is(value->key, "a"));
	CHECK_INT(value->offset, 8);
	CHECK_INT(value->count, 3);
	CHECK_INT(value->first->type, JSON_NUMBER);
	CHECK(value->first->is_integer);
	CHECK_INT(value->first->integer, 1);
	CHECK_INT(value->first->key.len, 0);
	CHECK(!value->first->next->is_integer);
	CHECK(str_is(value->first->next->text, "-2.5e3"));
	CHECK_INT(value->first->next->offset, 12);
	CHECK(str_is(value->first->next->next->text, "x\ny"));
	CHECK(!value->first->next->next->next);
	value = value->next;
	CHECK_INT(value->type, JSON_OBJECT);
	CHECK(str_eq(value->key, STR("b\0")));
	CHECK_INT(value->count, 0);
	CHECK(!value->first);
	value = value->next;
	CHECK_INT(value->type, JSON_NULL);
	CHECK_INT(value->key.len, 0);
	value = value->next;
	CHECK_INT(value->type, JSON_TRUE);
	CHECK_INT(value->next->type, JSON_FALSE);
	CHECK(!value->next->next);
	CHECK(json_member(root, "t") == value);
	CHECK(json_member(root, "") && json_member(root, "")->type == JSON_NULL);
	CHECK(!json_member(root, "b"));
	CHECK(!json_member(root, "nothing"));
	CHECK(!json_member(json_member(root, "a"), "a"));
	CHECK(!json_member(NULL, "a"));
	json_free(json);
	json_free(NULL);
}

TEST("an integer is one that int64_t holds, without fraction or exponent")
{
	static const struct {
		const char *text;
		bool is_integer;
		int64_t integer;
	} numbers[] = {
		{ "0", true, 0 },
		{ "-0", true, 0 },
		{ "7", true, 7 },
		{ "-7", true, -7 },
		{ "9223372036854775807", true, INT64_MAX },
		{ "9223372036854775808", false, 0 },
		{ "-9223372036854775808", true, INT64_MIN },
		{ "-9223372036854775809", false, 0 },
		{ "18446744073709551617", false, 0 },
		{ "92233720368547758070", false, 0 },
		{ "1.0", false, 0 },
		{ "1e0", false, 0 },
		{ "1E2", false, 0 },
		{ "0.0", false, 0 },
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct json_error error;
		struct json *json = parse(str_of(numbers[i].text), &error);

		CHECK(json != NULL);
		if (!json)
			continue;
		CHECK_INT(json_root(json)->is_integer, numbers[i].is_integer);
		if (numbers[i].is_integer)
			CHECK_INT(json_root(json)->integer, numbers[i].integer);
		CHECK(str_is(json_root(json)->text, numbers[i].text));
		json_free(json);
	}
}

/* The number that counts in base `n` and is written with these digits; false after the last. */
static bool next_text(char *text, size_t len, const char *alphabet, size_t n, unsigned char *digits)
{
	for (size_t i = 0; i < len; i++) {
		digits[i] = (unsigned char)((digits[i] + 1) % n);
		text[i] = alphabet[digits[i]];
		if (digits[i] != 0)
			return true;
	}
	return false;
}

TEST("of all texts of up to six bytes that numbers are made of, the grammar's are accepted")
{
	static const char alphabet[] = "-+012.eE";
	unsigned long good = 0;
	regex_t regex;

	CHECK_INT(regcomp(&regex, "^-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?$",
			  REG_EXTENDED | REG_NOSUB), 0);
	for (size_t len = 1; len <= 6; len++) {
		unsigned char digits[6] = { 0 };
		char text[7] = "------";

		text[len] = '\0';
		do {
			bool expected = regexec(&regex, text, 0, NULL, 0) == 0;
			struct json_error error;
			struct json *json = json_parse((struct str){ text, len }, &error);

			if ((json != NULL) != expected) {
				printf("# %s:\n", text);
				CHECK_INT(json != NULL, expected);
			}
			good += expected;
			json_free(json);
		} while (next_text(text, len, alphabet, sizeof(alphabet) - 1, digits));
	}
	CHECK(good > 1000);
	regfree(&regex);
}

/* The grammar once more, by recursion and without a tree: where a value ends, or NULL. */
static const char *slow_value(const char *at);

static const char *slow_space(const char *at)
{
	while (*at == ' ')
		at++;
	return at;
}

static const char *slow_string(const char *at)
{
	if (*at++ != '"')
		return NULL;
	while (*at && *at != '"')
		at++;
	return *at ? at + 1 : NULL;
}

static const char *slow_members(const char *at, bool object)
{
	char end = object ? '}' : ']';

	at = slow_space(at + 1);
	if (*at == end)
		return at + 1;
	for (;;) {
		if (object) {
			at = slow_string(slow_space(at));
			if (!at || *(at = slow_space(at)) != ':')
				return NULL;
			at++;
		}
		at = slow_value(at);
		if (!at)
			return NULL;
		at = slow_space(at);
		if (*at == end)
			return at + 1;
		if (*at++ != ',')
			return NULL;
	}
}

static const char *slow_value(const char *at)
{
	at = slow_space(at);
	if (*at == '1')
		return at[1] == '1' ? slow_value(at + 1) : at + 1;
	if (*at == '"')
		return slow_string(at);
	return *at == '[' || *at == '{' ? slow_members(at, *at == '{') : NULL;
}

TEST("of all texts of up to six structural bytes, the grammar's are accepted")
{
	static const char alphabet[] = "[]{},:\"1 ";
	unsigned long good = 0;

	for (size_t len = 1; len <= 6; len++) {
		unsigned char digits[6] = { 0 };
		char text[7] = "[[[[[[";

		text[len] = '\0';
		do {
			const char *end = slow_value(text);
			bool expected = end && *slow_space(end) == '\0';
			struct json_error error;
			struct json *json = json_parse((struct str){ text, len }, &error);

			if ((json != NULL) != expected) {
				printf("# %s:\n", text);
				CHECK_INT(json != NULL, expected);
			}
			good += expected;
			json_free(json);
		} while (next_text(text, len, alphabet, sizeof(alphabet) - 1, digits));
	}
	CHECK(good > 1000);
}

TEST("every byte is refused in a string, or stands for itself, at every place")
{
	for (size_t len = 1; len < 20; len++)
		for (size_t at = 0; at < len; at++)
			for (int c = 0; c < 256; c++) {
				bool good = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
				char text[22];
				struct json_error error;
				struct json *json;

				memset(text, 'a', sizeof(text));
				text[0] = text[len + 1] = '"';
				text[at + 1] = (char)c;
				json = json_parse((struct str){ text, len + 2 }, &error);
				if ((json != NULL) != good)
					CHECK_INT(c, -1);
				if (json)
					CHECK(str_eq(json_root(json)->text,
						     (struct str){ text + 1, len }));
				json_free(json);
			}
}

TEST("every byte behind a backslash is one of the eight escapes, or refused")
{
	static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";

	for (int c = 0; c < 256; c++) {
		char text[4] = { '"', '\\', (char)c, '"' };
		const char *letter = c ? strchr(letters, c) : NULL;
		struct json_error error;
		struct json *json = parse((struct str){ text, 4 }, &error);

		CHECK_INT(json != NULL, letter != NULL);
		if (json && letter) {
			CHECK_INT(json_root(json)->text.len, 1);
			CHECK_INT(json_root(json)->text.data[0], values[letter - letters]);
		}
		json_free(json);
	}
}

/* The code point of a valid sequence. */
static uint32_t decode(struct str text)
{
	uint32_t c = (unsigned char)text.data[0];

	if (text.len > 1)
		c &= 0x7fu >> text.len;
	for (size_t i = 1; i < text.len; i++)
		c = c << 6 | ((unsigned char)text.data[i] & 0x3f);
	return c;
}

TEST("every escaped code unit is its character, and no surrogate stands alone")
{
	for (unsigned unit = 0; unit < 0x10000; unit++) {
		char text[16];
		struct json_error error;
		struct json *json;

		snprintf(text, sizeof(text), unit & 1 ? "\"\\u%04x\"" : "\"\\u%04X\"", unit);
		json = json_parse(str_of(text), &error);
		if ((json != NULL) != (unit < 0xd800 || unit > 0xdfff))
			CHECK_INT(unit, -1);
		if (json) {
			struct str got = json_root(json)->text;

			if (utf8_sequence(got) != got.len || decode(got) != unit)
				CHECK_INT(unit, -2);
		}
		json_free(json);
	}
}

TEST("every pair of escaped surrogates is the character that it encodes")
{
	/* Every high one with every 31st low one: in 31 high ones, every low one occurs. */
	for (unsigned high = 0; high < 0x400; high++)
		for (unsigned low = high % 31; low < 0x400; low += 31) {
			uint32_t c = 0x10000 + high * 0x400 + low;
			char text[16];
			struct json_error error;
			struct json *json;

			snprintf(text, sizeof(text), "\"\\u%04x\\u%04X\"", 0xd800 + high,
				 0xdc00 + low);
			json = json_parse(str_of(text), &error);
			if (!json || json_root(json)->text.len != 4 ||
			    utf8_sequence(json_root(json)->text) != 4 ||
			    decode(json_root(json)->text) != c)
				CHECK_INT(c, -1);
			json_free(json);
		}
}

TEST("32 arrays or objects within each other are read, and 33 are not")
{
	static const char *const opens[] = { "[", "{\"a\":", "[{\"a\":" };
	static const char *const closes[] = { "]", "}", "}]" };
	static const size_t levels[] = { 1, 1, 2 };

	for (size_t i = 0; i < 3; i++)
		for (size_t depth = 30; depth <= 34; depth += levels[i]) {
			struct json_error error;
			struct json *json;
			struct buf text;

			buf_init(&text, 1000);
			for (size_t n = 0; n < depth; n += levels[i])
				buf_puts(&text, opens[i]);
			buf_puts(&text, "1");
			for (size_t n = 0; n < depth; n += levels[i])
				buf_puts(&text, closes[i]);
			json = parse(buf_str(&text), &error);
			CHECK_INT(json != NULL, depth <= 32);
			if (!json) {
				CHECK_INT(error.fault, JSON_INVALID);
				CHECK(strcmp(error.reason, "nested too deeply") == 0);
			}
			if (!json && i < 2)
				CHECK_INT(error.offset, 32 * strlen(opens[i]));
			json_free(json);
			buf_free(&text);
		}
	/* Depth is what is open at once, not how often something was opened. */
	CHECK_INT(fault_of(STR("[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],"
			       "[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],{},{},{},{}]")),
		  JSON_OK);
}

TEST("a million open brackets are refused at the 33rd, without memory")
{
	static const char *const patterns[] = { "[", "{\"a\":", "[{\"\":" };

	for (size_t i = 0; i < 3; i++) {
		char *text = repeat(patterns[i], 6000000);
		struct json_error error;
		double start = seconds();

		allocations = 0;
		CHECK(!json_parse((struct str){ text, 6000000 }, &error));
		CHECK_INT(error.fault, JSON_INVALID);
		CHECK(error.offset < 200);
		CHECK_INT(allocations, 0);
		CHECK(seconds() - start < 0.1);
		free(text);
	}
}

/* "[…,…,…]" with this many elements. */
static char *array_of(const char *element, size_t n)
{
	size_t len = strlen(element);
	char *text = malloc(n * (len + 1) + 2), *at = text;

	if (!text)
		abort();
	*at++ = '[';
	for (size_t i = 0; i < n; i++) {
		memcpy(at, element, len);
		at += len;
		*at++ = i + 1 < n ? ',' : ']';
	}
	*at = '\0';
	return text;
}

TEST("65,536 values are read, and one more is refused at its offset")
{
	struct json_error error;
	struct json *json;
	char *text;

	text = array_of("[]", 65535);
	json = parse(str_of(text), &error);
	CHECK(json != NULL);
	if (json) {
		size_t n = 0;

		CHECK_INT(json_root(json)->count, 65535);
		for (const struct json_value *value = json_root(json)->first; value;
		     value = value->next)
			n++;
		CHECK_INT(n, 65535);
	}
	json_free(json);
	free(text);
	text = array_of("[]", 65536);
	CHECK(!parse(str_of(text), &error));
	CHECK_INT(error.fault, JSON_TOO_MANY);
	CHECK_INT(error.offset, 1 + 65535 * 3);
	CHECK(strcmp(error.reason, "too many values") == 0);
	free(text);
}

TEST("too many values, or a duplicate key, in what is not JSON: it is not JSON")
{
	char *text = array_of("[]", 70000);
	size_t len = strlen(text);
	struct json_error error;

	text[len - 1] = '}';
	CHECK(!parse(str_of(text), &error));
	CHECK_INT(error.fault, JSON_INVALID);
	CHECK_INT(error.offset, len - 1);
	free(text);
	CHECK(!parse(STR("[{\"a\":1,\"a\":2},]"), &error));
	CHECK_INT(error.fault, JSON_INVALID);
	CHECK_INT(error.offset, 15);
	CHECK(error.key[0] == '\0');
}

TEST("16 MiB of small values are refused in a moment, without memory")
{
	static const char *const elements[] = { "[]", "1", "{}", "\"\"", "{\"a\":1,\"a\":[]}" };

	for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++) {
		size_t n = ((16 << 20) - 2) / (strlen(elements[i]) + 1);
		char *text = array_of(elements[i], n);
		double start = seconds();

		allocations = 0;
		CHECK_INT(fault_of(str_of(text)), JSON_TOO_MANY);
		CHECK_INT(allocations, 0);
		CHECK(seconds() - start < 4);
		free(text);
	}
}

/* Parses what is well-formed, and holds what it took against the header's promise. */
static void check_memory(struct str text, size_t values, size_t largest_object)
{
	struct json_error error;
	struct json *json;
	double start = seconds();

	allocated = allocations = 0;
	json = parse(text, &error);
	CHECK(json != NULL);
	json_free(json);
	CHECK(allocated <= text.len + 80 * values + 8 + 8 * largest_object);
	CHECK_INT(allocations, largest_object > 16 ? 2 : 1);
	CHECK(seconds() - start < 4);
}

TEST("the memory of a document is what the header promises")
{
	static const char *const elements[] = {
		"[]", "{}", "1", "\"\"", "null", "\"\\u20ac\"", "\"\xe2\x82\xac\"", "\"\\n\"",
		"-123456789.123456789e123",
	};
	char *text;

	for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++) {
		text = array_of(elements[i], 65535);
		check_memory(str_of(text), 65536, 0);
		free(text);
	}
	/* One value of 16 MiB: a string plain, of two bytes, of escapes; a number. */
	for (size_t i = 0; i < 4; i++) {
		static const char *const patterns[] = { "a", "\xc3\xa4", "\\\\", "\\u0000" };

		text = repeat(patterns[i], 2 + (6 << 20));
		memmove(text + 1, text, 6 << 20);
		text[0] = text[1 + (6 << 20)] = '"';
		check_memory(str_of(text), 1, 0);
		free(text);
	}
	text = repeat("9", 16 << 20);
	check_memory(str_of(text), 1, 0);
	memset(text + 1, ' ', (16 << 20) - 1);
	check_memory(str_of(text), 1, 0);
	free(text);
}

enum { MANY = 65535 };

/* An object of n members: the key is `prefix`, and its number written with this format. */
static struct buf object_of(size_t n, const char *prefix, unsigned (*number)(unsigned))
{
	struct buf text;

	buf_init(&text, 32 << 20);
	buf_putc(&text, '{');
	for (unsigned i = 0; i < n; i++)
		buf_printf(&text, "%s\"%s%05u\":1", i ? "," : "", prefix, number(i));
	buf_putc(&text, '}');
	if (text.failed)
		abort();
	return text;
}

static unsigned rising(unsigned i)
{
	return i;
}

static unsigned falling(unsigned i)
{
	return 99999 - i;
}

static unsigned mixed(unsigned i)
{
	return i * 40503 % 65536;
}

static unsigned same(unsigned i)
{
	return i * 0;
}

static unsigned last_is_first(unsigned i)
{
	return i == MANY - 1 ? 0 : i;
}

TEST("many keys in one object cost little memory and time, in any order")
{
	static unsigned (*const orders[])(unsigned) = { rising, falling, mixed };
	char *prefix = repeat("x", 240);

	for (size_t n = 15; n < 19; n++) {
		struct buf text = object_of(n, "", rising);

		check_memory(buf_str(&text), n + 1, n > 16 ? n : 0);
		buf_free(&text);
	}
	for (size_t i = 0; i < 3; i++)
		for (size_t size = 0; size <= 240; size += 240) {
			struct buf text = object_of(MANY, prefix + 240 - size, orders[i]);

			check_memory(buf_str(&text), MANY + 1, MANY);
			buf_free(&text);
		}
	free(prefix);
}

TEST("a duplicate among many keys is found, and its second key is at fault")
{
	struct buf text = object_of(MANY, "key-", last_is_first);
	struct json_error error;
	double start = seconds();

	CHECK(!parse(buf_str(&text), &error));
	CHECK_INT(error.fault, JSON_DUPLICATE_KEY);
	CHECK(strcmp(error.key, "key-00000") == 0);
	CHECK_INT(error.offset, 1 + (MANY - 1) * strlen("\"key-00000\":1,"));
	CHECK(strcmp(error.reason, "duplicate key") == 0);
	CHECK(seconds() - start < 4);
	buf_free(&text);
	text = object_of(MANY, "key-", same);
	CHECK(!parse(buf_str(&text), &error));
	CHECK_INT(error.fault, JSON_DUPLICATE_KEY);
	CHECK_INT(error.offset, 1 + strlen("\"key-00000\":1,"));
	CHECK(seconds() - start < 8);
	buf_free(&text);
}

TEST("a duplicate is found at every place, in objects of every size around the change of method")
{
	for (unsigned n = 2; n < 24; n++)
		for (unsigned a = 0; a < n; a++)
			for (unsigned b = a + 1; b < n; b++) {
				struct json_error error;
				size_t expected = 0;
				struct buf text;

				buf_init(&text, 4096);
				for (unsigned i = 0; i < n; i++) {
					buf_putc(&text, i ? ',' : '{');
					if (i == b)
						expected = text.len;
					buf_printf(&text, "\"%u\":0", i == b ? a : i);
				}
				buf_putc(&text, '}');
				CHECK(!json_parse(buf_str(&text), &error));
				CHECK_INT(error.fault, JSON_DUPLICATE_KEY);
				CHECK_INT(error.offset, expected);
				CHECK_INT(atoi(error.key), a);
				buf_free(&text);
			}
}

TEST("keys are the same when their characters are, however they are written")
{
	static const struct {
		const char *text;
		enum json_fault fault;
		size_t offset;
		const char *key;
	} objects[] = {
		{ "{\"a\":1,\"\\u0061\":2}", JSON_DUPLICATE_KEY, 7, "a" },
		{ "{\"\\u00e4\":1, \"\xc3\xa4\" : 2}", JSON_DUPLICATE_KEY, 13, "\xc3\xa4" },
		{ "{\"\":1,\"\":2}", JSON_DUPLICATE_KEY, 6, "" },
		{ "{\"a\\\\\\\"\":1,\"a\\\\\\\"\" :\n2}", JSON_DUPLICATE_KEY, 11, "a\\\"" },
		{ "{\"\\\"\":1,\"\\\"\":2}", JSON_DUPLICATE_KEY, 8, "\"" },
		{ "{\"\\\\\":1,\"\\\\\":2}", JSON_DUPLICATE_KEY, 8, "\\" },
		{ "{\":\":1,\":\":2}", JSON_DUPLICATE_KEY, 7, ":" },
		{ "{\"a\":1,\"A\":2}", JSON_OK, 0, "" },
		{ "{\"a\":1,\"a\\u0000\":2}", JSON_OK, 0, "" },
		{ "{\"a\":{\"a\":1},\"b\":{\"a\":1}}", JSON_OK, 0, "" },
		{ "{\"a\":{\"b\":1,\"b\":1},\"a\":1}", JSON_DUPLICATE_KEY, 12, "b" },
		{ "[{\"a\":1},{\"a\":1,\"c\":[],\"c\":{}}]", JSON_DUPLICATE_KEY, 23, "c" },
		/* Composed and decomposed are not the same. */
		{ "{\"\xc3\xa9\":1,\"e\xcc\x81\":2}", JSON_OK, 0, "" },
	};

	for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
		struct json_error error;

		json_free(parse(str_of(objects[i].text), &error));
		CHECK_INT(error.fault, objects[i].fault);
		CHECK_INT(error.offset, objects[i].offset);
		CHECK(strcmp(error.key, objects[i].key) == 0);
	}
}

TEST("a duplicate key that is long is cut between characters")
{
	for (size_t len = 60; len < 70; len++)
		for (size_t lead = 0; lead < 4; lead++) {
			struct json_error error;
			struct buf key, text;

			buf_init(&key, 400);
			buf_init(&text, 1000);
			for (size_t i = 0; i < lead; i++)
				buf_putc(&key, 'x');
			while (key.len < len)
				buf_puts(&key, "\xf0\x9f\x98\x80");
			buf_printf(&text, "{\"%.*s\":1,\"%.*s\":2}", (int)key.len, key.data,
				   (int)key.len, key.data);
			CHECK(!parse(buf_str(&text), &error));
			CHECK_INT(error.fault, JSON_DUPLICATE_KEY);
			CHECK(utf8_valid(str_of(error.key)));
			CHECK(strlen(error.key) <= 63);
			CHECK(strlen(error.key) + 4 > (key.len < 63 ? key.len : 63));
			CHECK(str_begins(buf_str(&key), error.key));
			buf_free(&key);
			buf_free(&text);
		}
}

TEST("without memory there is no document, and nothing is left behind")
{
	struct buf text = object_of(17, "", rising);
	struct json_error error;

	malloc_fails = true;
	CHECK(!parse(STR("[1]"), &error));
	malloc_fails = false;
	CHECK_INT(error.fault, JSON_NO_MEMORY);
	CHECK(strcmp(error.reason, "out of memory") == 0);
	calloc_fails = true;
	CHECK(!parse(buf_str(&text), &error));
	calloc_fails = false;
	CHECK_INT(error.fault, JSON_NO_MEMORY);
	CHECK_INT(fault_of(buf_str(&text)), JSON_OK);
	buf_free(&text);
}

static const char rich[] =
	"\t{ \"a\": [1, -0.5e+3, true, false, null, \"\\u20ac\\ud83d\\ude00\\\"\\n \xe2\x82\xac\"],"
	"\"b\\u0062\": {\"\": {}, \"x\": [[], [[]]]}, \"c\xc3\xa4\": \"0123456789abcdef\" }\r\n";

TEST("a document cut anywhere is refused, at its end or before")
{
	/* Only the white space at the end may be missing. */
	for (size_t len = 0; len < sizeof(rich) - 3; len++)
		CHECK_INT(fault_of((struct str){ rich, len }), JSON_INVALID);
	CHECK_INT(fault_of((struct str){ rich, sizeof(rich) - 3 }), JSON_OK);
	CHECK_INT(fault_of(STR(rich)), JSON_OK);
}

TEST("a document with any byte replaced is read or refused, never more")
{
	char text[sizeof(rich) - 1];
	unsigned long good = 0, bad = 0;

	for (size_t i = 0; i < sizeof(text); i++)
		for (int c = 0; c < 256; c++) {
			memcpy(text, rich, sizeof(text));
			text[i] = (char)c;
			if (fault_of((struct str){ text, sizeof(text) }) == JSON_INVALID)
				bad++;
			else
				good++;
		}
	CHECK(good > 1000);
	CHECK(bad > 10000);
}

static bool writes(struct str text, const char *expected)
{
	struct buf out;
	bool same_text;

	buf_init(&out, 1000);
	CHECK_INT(json_write_string(&out, text), 0);
	same_text = str_is(buf_str(&out), expected);
	if (!same_text)
		printf("# %.*s\n", (int)out.len, out.data);
	buf_free(&out);
	return same_text;
}

TEST("a string is written with its escapes, and with nothing escaped that need not be")
{
	CHECK(writes(STR(""), "\"\""));
	CHECK(writes((struct str){ NULL, 0 }, "\"\""));
	CHECK(writes(STR("a/b<>&'"), "\"a/b<>&'\""));
	CHECK(writes(STR("\"\\\b\f\n\r\t"), "\"\\\"\\\\\\b\\f\\n\\r\\t\""));
	CHECK(writes(STR("a\0b\x01\x1f" "c"), "\"a\\u0000b\\u0001\\u001fc\""));
	CHECK(writes(STR("\x7f\xc3\xa4\xe2\x80\xa8\xf0\x9f\x98\x80"),
		     "\"\x7f\xc3\xa4\xe2\x80\xa8\xf0\x9f\x98\x80\""));
}

#define R "\xef\xbf\xbd"

TEST("invalid UTF-8 becomes one U+FFFD for each maximal subpart")
{
	/* The four examples of the Unicode Standard, section 3.9, tables 3-8 to 3-11. */
	CHECK(writes(STR("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41"), "\"" R R R R R R R R "A\""));
	CHECK(writes(STR("\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41"), "\"" R R R R R R R R "A\""));
	CHECK(writes(STR("\xf4\x91\x92\x93\xff\x41\x80\xbf\x42"), "\"" R R R R R "A" R R "B\""));
	CHECK(writes(STR("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41"), "\"" R R R R "A\""));
	/* Cut by the end. */
	CHECK(writes(STR("a\xe2\x82"), "\"a" R "\""));
	CHECK(writes(STR("a\xf0\x9f\x98"), "\"a" R "\""));
	CHECK(writes(STR("\xf0\x9f"), "\"" R "\""));
	CHECK(writes(STR("\xc3"), "\"" R "\""));
	CHECK(writes(STR("\xc3\xc3\xa4\x80"), "\"" R "\xc3\xa4" R "\""));
	CHECK(writes(STR("\xe2\x82\"\xf0\x9f\n"), "\"" R "\\\"" R "\\n\""));
}

TEST("all texts of two bytes are written as JSON that reads as the same, or as U+FFFD")
{
	for (unsigned i = 0; i < 65536; i++) {
		char text[2] = { (char)(i >> 8), (char)i };
		struct str in = { text, 2 };
		struct json_error error;
		struct json *json;
		struct buf out;

		buf_init(&out, 2 * JSON_STRING_GROWTH + 2);
		CHECK_INT(json_write_string(&out, in), 0);
		json = json_parse(buf_str(&out), &error);
		if (!json || str_eq(json_root(json)->text, in) != utf8_valid(in))
			CHECK_INT(i, -1);
		json_free(json);
		buf_free(&out);
	}
}

TEST("a special byte is seen at every place of what is written")
{
	static const char specials[] = "\"\\\n\x01\x80\xff";

	for (size_t len = 1; len < 24; len++)
		for (size_t at = 0; at < len; at++)
			for (size_t i = 0; i < sizeof(specials); i++) {
				char text[24];
				struct json_error error;
				struct json *json;
				struct buf out;

				memset(text, 'a', sizeof(text));
				text[at] = specials[i];
				buf_init(&out, sizeof(text) * JSON_STRING_GROWTH + 2);
				CHECK_INT(json_write_string(&out, (struct str){ text, len }), 0);
				json = json_parse(buf_str(&out), &error);
				CHECK(json != NULL);
				if (json && (unsigned char)specials[i] < 0x80)
					CHECK(str_eq(json_root(json)->text,
						     (struct str){ text, len }));
				else if (json)
					CHECK_INT(json_root(json)->text.len, len + 2);
				json_free(json);
				buf_free(&out);
			}
}

TEST("a string that does not fit is not written at all, and the buffer remembers it")
{
	static const char text[] = "ab\n\x01\xff\xc3\xa4z";
	size_t need = 2 + 2 + 2 + 6 + 3 + 2 + 1;

	for (size_t max = 0; max < need + 4; max++) {
		struct buf out;

		buf_init(&out, 2 + max);
		buf_puts(&out, "[ ");
		CHECK_INT(json_write_string(&out, STR(text)), max < need ? -ENOSPC : 0);
		CHECK_INT(out.failed, max < need);
		CHECK_INT(out.len, max < need ? 2 : 2 + need);
		buf_free(&out);
		buf_init(&out, 2 + max);
		buf_puts(&out, "[ ");
		CHECK_INT(json_write_base64(&out, STR("abcd")), max < 10 ? -ENOSPC : 0);
		CHECK_INT(out.failed, max < 10);
		CHECK_INT(out.len, max < 10 ? 2 : 12);
		if (max >= 10)
			CHECK(str_is(buf_str(&out), "[ \"YWJjZA==\""));
		buf_free(&out);
	}
}

TEST_MAIN()
