/*
 * Couchbase Lite's Linux library was linked with ICU 54, which no current distribution has. It uses eight functions of it, for collation and
 * full-text search, whose signatures ICU keeps stable. This passes them on to the ICU that is installed, under the names that version 54 gave them.
 */
#include <unicode/ucasemap.h>
#include <unicode/ucol.h>

UCaseMap *ucasemap_open_54(const char *locale, uint32_t options, UErrorCode *status) {
  return ucasemap_open(locale, options, status);
}

void ucasemap_close_54(UCaseMap *map) {
  ucasemap_close(map);
}

int32_t ucasemap_utf8ToLower_54(const UCaseMap *map, char *out, int32_t room, const char *in, int32_t length, UErrorCode *status) {
  return ucasemap_utf8ToLower(map, out, room, in, length, status);
}

int32_t ucasemap_utf8ToUpper_54(const UCaseMap *map, char *out, int32_t room, const char *in, int32_t length, UErrorCode *status) {
  return ucasemap_utf8ToUpper(map, out, room, in, length, status);
}

UCollator *ucol_open_54(const char *locale, UErrorCode *status) {
  return ucol_open(locale, status);
}

void ucol_close_54(UCollator *collator) {
  ucol_close(collator);
}

void ucol_setAttribute_54(UCollator *collator, UColAttribute attribute, UColAttributeValue value, UErrorCode *status) {
  ucol_setAttribute(collator, attribute, value, status);
}

UCollationResult ucol_strcollUTF8_54(const UCollator *collator, const char *a, int32_t lengthA, const char *b, int32_t lengthB, UErrorCode *status) {
  return ucol_strcollUTF8(collator, a, lengthA, b, lengthB, status);
}
