import com.couchbase.lite.Blob;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.json.JSONArray;
import org.json.JSONObject;

/** The blobs that tests put into documents, and what is told of those found in one. */
final class SampleBlobs {
  private SampleBlobs() {}

  static byte[] bytes(int seed, int length) {
    byte[] content = new byte[length];
    new Random(seed).nextBytes(content);
    return content;
  }

  /** All blobs anywhere in a document, by path; their hashes are made from the bytes that are there, not from the digest. */
  static JSONArray describe(Map<String, Object> document) throws Exception {
    JSONArray blobs = new JSONArray();
    find("", document, blobs);
    return blobs;
  }

  private static void find(String path, Object value, JSONArray blobs) throws Exception {
    if (value instanceof Blob) {
      blobs.put(describe(path, (Blob) value));
    } else if (value instanceof Map) {
      Map<String, Object> members = new TreeMap<>();
      for (Map.Entry<?, ?> member : ((Map<?, ?>) value).entrySet()) members.put((String) member.getKey(), member.getValue());
      for (Map.Entry<String, Object> member : members.entrySet()) find(path + "/" + member.getKey(), member.getValue(), blobs);
    } else if (value instanceof List) {
      List<?> items = (List<?>) value;
      for (int n = 0; n < items.size(); n++) find(path + "/" + n, items.get(n), blobs);
    }
  }

  private static JSONObject describe(String path, Blob blob) throws Exception {
    byte[] content = blob.getContent();
    JSONObject line = new JSONObject().put("path", path).put("digest", blob.digest()).put("length", blob.length());
    if (content == null) return line.put("sha1", JSONObject.NULL);
    byte[] sha1 = MessageDigest.getInstance("SHA-1").digest(content);
    return line.put("sha1", "sha1-" + new String(Base64.getEncoder().encode(sha1), StandardCharsets.US_ASCII));
  }
}
