import com.couchbase.lite.Blob;
import com.couchbase.lite.DataSource;
import com.couchbase.lite.Database;
import com.couchbase.lite.Document;
import com.couchbase.lite.Meta;
import com.couchbase.lite.MutableDocument;
import com.couchbase.lite.QueryBuilder;
import com.couchbase.lite.Result;
import com.couchbase.lite.SelectResult;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.json.JSONArray;
import org.json.JSONObject;

/**
 * Reading and writing. A document is told as {"id","rev","json","blobs":[{"path","digest","length","sha1"}]}, `json` being Couchbase Lite's own
 * text; a revision as {"id","rev"}, with "deleted" when it is a deletion.
 *
 * <pre>
 *   get    {database, id}                      the document or null
 *   list   {database}                          all documents, by id
 *   put    {database, documents: [{id, json}]} saves each, over what is there; their revisions
 *   blob   {database, id, property, seed, bytes, contentType}   puts a blob made from `seed` into a document; its revision
 *   remove {database, ids}                     deletes; the revisions
 *   purge  {database, ids}                     forgets
 *   fill   {database, count, blobs}            adds sample documents
 *   edit   {database, count}                   changes the first `count` documents, deletes the count / 2 after them; the deletions
 * </pre>
 */
final class Documents {
  private final Databases databases;

  Documents(Databases databases) {
    this.databases = databases;
  }

  void register(Map<String, Witness.Command> commands) {
    commands.put("get", request -> describe(databases.of(request).getDocument(request.getString("id"))));
    commands.put("list", request -> list(databases.of(request)));
    commands.put("put", request -> put(databases.of(request), request.getJSONArray("documents")));
    commands.put("blob", request -> putBlob(databases.of(request), request));
    commands.put("remove", request -> remove(databases.of(request), request.getJSONArray("ids")));
    commands.put("purge", request -> purge(databases.of(request), request.getJSONArray("ids")));
    commands.put("fill", request -> fill(databases.of(request), request.getInt("count"), request.getBoolean("blobs")));
    commands.put("edit", request -> edit(databases.of(request), request.getInt("count")));
  }

  private static JSONObject revision(Document document) throws Exception {
    return new JSONObject().put("id", document.getId()).put("rev", document.getRevisionID());
  }

  private static JSONObject describe(Document document) throws Exception {
    if (document == null) return null;
    return revision(document).put("json", document.toJSON()).put("blobs", SampleBlobs.describe(document.toMap()));
  }

  private static JSONArray list(Database database) throws Exception {
    JSONArray documents = new JSONArray();
    for (String id : ids(database)) documents.put(describe(database.getDocument(id)));
    return documents;
  }

  private static List<String> ids(Database database) throws Exception {
    List<String> ids = new ArrayList<>();
    for (Result row : QueryBuilder.select(SelectResult.expression(Meta.id)).from(DataSource.database(database)).execute()) ids.add(row.getString(0));
    Collections.sort(ids);
    return ids;
  }

  private static JSONArray put(Database database, JSONArray documents) throws Exception {
    JSONArray revisions = new JSONArray();
    database.inBatch(() -> {
      for (int n = 0; n < documents.length(); n++) {
        JSONObject given = documents.getJSONObject(n);
        Document before = database.getDocument(given.getString("id"));
        MutableDocument document = before == null ? new MutableDocument(given.getString("id")) : before.toMutable();
        document.setJSON(given.getString("json"));
        database.save(document);
        revisions.put(revision(document));
      }
    });
    return revisions;
  }

  private static JSONObject putBlob(Database database, JSONObject request) throws Exception {
    Document before = database.getDocument(request.getString("id"));
    MutableDocument document = before == null ? new MutableDocument(request.getString("id")) : before.toMutable();
    byte[] content = SampleBlobs.bytes(request.getInt("seed"), request.getInt("bytes"));
    document.setBlob(request.getString("property"), new Blob(request.getString("contentType"), content));
    database.save(document);
    return revision(document);
  }

  private static JSONArray remove(Database database, JSONArray ids) throws Exception {
    JSONArray revisions = new JSONArray();
    database.inBatch(() -> {
      for (int n = 0; n < ids.length(); n++) {
        Document document = database.getDocument(ids.getString(n));
        database.delete(document);
        revisions.put(revision(document).put("deleted", true));
      }
    });
    return revisions;
  }

  private static Object purge(Database database, JSONArray ids) throws Exception {
    for (int n = 0; n < ids.length(); n++) database.purge(ids.getString(n));
    return null;
  }

  private static Object fill(Database database, int count, boolean blobs) throws Exception {
    database.inBatch(() -> {
      for (int n = 0; n < count; n++) database.save(SampleDocument.number(n, blobs));
    });
    return null;
  }

  private static JSONArray edit(Database database, int count) throws Exception {
    List<String> ids = ids(database);
    database.inBatch(() -> {
      for (int n = 0; n < count; n++) {
        MutableDocument document = database.getDocument(ids.get(n)).toMutable();
        document.setInt("quantity", document.getInt("quantity") + 1);
        document.remove("nothing");
        if (n % 10 == 0) document.setBlob("picture", new Blob("application/octet-stream", SampleBlobs.bytes(10_000 + n, 5000)));
        database.save(document);
      }
    });
    return remove(database, new JSONArray(ids.subList(count, count + count / 2)));
  }
}
