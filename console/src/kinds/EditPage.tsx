export default function EditPage() {
  return <p>To come</p>;
}
