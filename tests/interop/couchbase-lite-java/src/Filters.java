import com.couchbase.lite.DocumentFlag;
import com.couchbase.lite.ReplicationFilter;

/** Replication filters by name. */
final class Filters {
  private Filters() {}

  static ReplicationFilter named(String name) {
    switch (name) {
      case "shared":
        // A deletion has no body any more.
        return (document, flags) -> flags.contains(DocumentFlag.DELETED) || document.getBoolean("shared");
      case "not deleted":
        return (document, flags) -> !flags.contains(DocumentFlag.DELETED);
      default:
        throw new IllegalArgumentException("no filter " + name);
    }
  }
}
