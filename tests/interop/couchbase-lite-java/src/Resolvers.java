import com.couchbase.lite.ConflictResolver;
import com.couchbase.lite.MutableDocument;

/** Conflict resolvers by name; without one, the default of Couchbase Lite is at work. */
final class Resolvers {
  private Resolvers() {}

  static ConflictResolver named(String name) {
    switch (name) {
      case "local":
        return conflict -> conflict.getLocalDocument();
      case "remote":
        return conflict -> conflict.getRemoteDocument();
      case "delete":
        return conflict -> null;
      case "merge":
        // All properties of both; what both have is the local one's.
        return conflict -> {
          if (conflict.getLocalDocument() == null || conflict.getRemoteDocument() == null) return null;
          MutableDocument merged = new MutableDocument(conflict.getDocumentId());
          merged.setData(conflict.getRemoteDocument().toMap());
          conflict.getLocalDocument().toMap().forEach(merged::setValue);
          return merged;
        };
      case "fail":
        return conflict -> {
          throw new IllegalStateException("resolver fails on purpose");
        };
      default:
        throw new IllegalArgumentException("no resolver " + name);
    }
  }
}
