import com.couchbase.lite.Blob;
import com.couchbase.lite.MutableArray;
import com.couchbase.lite.MutableDictionary;
import com.couchbase.lite.MutableDocument;

/** Documents that meet the corners of JSON: nesting, empty containers, null, both number kinds, escapes and text outside ASCII. */
final class SampleDocument {
  private SampleDocument() {}

  static MutableDocument number(int n, boolean blobs) {
    MutableDocument document = new MutableDocument(String.format("item-%05d", n));
    document.setString("name", "Item " + n + " – Größe \"XL\" \\ \u0001 日本 🍎");
    document.setInt("quantity", n - 500);
    document.setDouble("price", n * 0.25 + 0.1);
    document.setLong("serial", 9007199254740991L - n);
    document.setBoolean("sold", n % 3 == 0);
    document.setValue("nothing", null);
    MutableDictionary place = new MutableDictionary();
    place.setString("aisle", Character.toString((char) ('A' + n % 26)));
    MutableArray shelves = new MutableArray();
    for (int shelf = 0; shelf < n % 5; shelf++) shelves.addInt(shelf);
    place.setArray("shelves", shelves);
    place.setDictionary("empty", new MutableDictionary());
    document.setDictionary("place", place);
    if (!blobs) return document;
    if (n % 4 == 0) document.setBlob("picture", blob(n, 2000 + n % 7 * 1000));
    if (n % 50 == 0) {
      MutableArray pages = new MutableArray();
      pages.addBlob(blob(n + 1, 100_000));
      pages.addBlob(blob(7, 300));
      document.setArray("pages", pages);
    }
    return document;
  }

  private static Blob blob(int seed, int length) {
    return new Blob("application/octet-stream", SampleBlobs.bytes(seed, length));
  }
}
